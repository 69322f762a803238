"""The environment of a system under test."""

import os

from tests.third_parties import unreachable


def environment() -> dict[str, str]:
    """This process' environment without our settings, and with no third party to ask."""
    kept = {n: value for n, value in os.environ.items() if not n.startswith("THROUGHLINE_")}
    # A machine that is busy with other tests answers late; that is not what is tested.
    return {**kept, **unreachable(), "THROUGHLINE_REDIS_TIMEOUT_MS": "5000"}
