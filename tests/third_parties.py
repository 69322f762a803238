"""The third parties, as tests have them: not there, so that answers come from the snapshot."""


def unreachable() -> dict[str, str]:
    """Settings that lead to a port of the loopback address that refuses connections."""
    nowhere = "http://127.0.0.1:9"  # discard: nobody serves it
    return {
        "THROUGHLINE_INTEGRATIONS_EXCHANGE_RATES_URL": nowhere,
        "THROUGHLINE_INTEGRATIONS_HOLIDAYS_URL": nowhere,
    }
