"""The settings of `api`, from the variables that the driver of the comparison gives."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

MODULE: Final = "api"
CACHE_TTL_SHARE: Final = 0.9
"""Of the driver's time-to-live: ours may be up to a tenth longer than the setting says."""


def settings(environ: Mapping[str, str], servers: Mapping[str, str]) -> dict[str, str]:
    """Our variables.

    Args:
        environ: the driver's.
        servers: further variables: where the servers are that the driver does not have.
    """
    host, port = environ["HOST"], environ["PORT"]
    ttl_s = CACHE_TTL_SHARE * float(environ["SERVICE_CACHE_TTL_SECONDS"])
    made = {
        "THROUGHLINE_ENVIRONMENT": "production",
        "THROUGHLINE_HOST": host,
        "THROUGHLINE_PORT": port,
        "THROUGHLINE_LOG_LEVEL": environ["LOG_LEVEL"],
        "THROUGHLINE_AUTH_URL": f"http://{host}:{port}",  # the adapter answers for it
        "THROUGHLINE_API_DATABASE_URL": database_url(environ),
        # one more is the relay's
        "THROUGHLINE_API_DATABASE_POOL_MAX": str(int(environ["DB_POOL_SIZE"]) - 1),
        "THROUGHLINE_API_CATALOG_ITEM_TTL_S": f"{ttl_s:g}",
        "THROUGHLINE_REDIS_URL": environ["REDIS_URL"],
        "THROUGHLINE_CURSOR_SECRET": "of-this-comparison-only",
        **servers,
    }
    own = {name: value for name, value in environ.items() if name.startswith("THROUGHLINE_")}
    return {**made, **own}


def database_url(environ: Mapping[str, str]) -> str:
    """DATABASE_URL, for the module's own role."""
    parts = urlsplit(environ["DATABASE_URL"])
    password, address = parts.password or "", parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{MODULE}:{quote(password)}@{address}"))
