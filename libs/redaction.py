"""What must never be in a log: taken out by the field's name, and by the value's shape."""

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

SECRET_FIELDS = frozenset(
    {
        *("password", "newpassword", "currentpassword", "secret", "clientsecret"),
        *("token", "accesstoken", "refreshtoken", "authorization", "cookie", "setcookie"),
        *("apikey", "xapikey", "privatekey", "signingkey", "email", "dsn"),
    }
)
"""Field names, in lower case without separators, whose values are never logged."""

_SECRET_SHAPES = re.compile(
    r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"  # a JSON Web Token
    r"|(?<=://)[^/\s:@]*:[^/\s@]*(?=@)"  # user and password in a URL
    r"|(?i:bearer\s+)[\w.~+/-]+=*"
    r"|[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"  # an e-mail address
    r"|(?i:(?:password|passwd|secret|token|api[_-]?key)\w*['\"]?\s*[=:]\s*)['\"]?[^\s'\",;}&]+"
    r"|(?<=\?)[^\s'\"]+"  # the query of a URL
)

_TRUSTED = frozenset(
    {
        *("timestamp", "level", "service", "event", "contextId", "version", "env"),
        *("statement", "method", "route", "namespace", "topic", "eventType"),
    }
)
"""Fields whose values are ours: made here, or names from the code."""

_PLAIN = frozenset({int, float, bool, type(None)})
_CONTAINERS = (Mapping, list, tuple, set, frozenset)


def scrub(text: str) -> str:
    """`text` without anything that looks like a secret, a token, an e-mail address or a query."""
    # What every shape has in it: a cheap look saves most texts the dear one.
    if (
        "@" in text
        or ":" in text
        or "=" in text
        or "?" in text
        or "eyJ" in text
        or "earer " in text
        or "EARER " in text
    ):
        return _SECRET_SHAPES.sub(REDACTED, text)
    return text


def redact(event: MutableMapping[str, Any]) -> None:
    """Take out of `event`, in place, what must never be logged."""
    for name, value in event.items():
        if name in _TRUSTED:
            continue
        if _is_secret(name):
            event[name] = REDACTED
        elif type(value) in _PLAIN:
            continue
        elif isinstance(value, str):
            event[name] = scrub(value)
        elif isinstance(value, _CONTAINERS):
            event[name] = _redact(value)


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {
            scrub(str(k)): REDACTED if _is_secret(str(k)) else _redact(v) for k, v in value.items()
        }
    if isinstance(value, _CONTAINERS):
        return [_redact(v) for v in value]
    return value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name.replace("_", "").replace("-", "").lower() in SECRET_FIELDS
