"""Where in a request something is wrong, as a JSON pointer (RFC 6901)."""

from collections.abc import Sequence


def pointer(location: Sequence[object]) -> str:
    """A pydantic location as a JSON pointer; what is not in the body keeps its place's name.

    ("body", "lines", 0, "quantity") -> "/lines/0/quantity"; ("query", "limit") -> "/query/limit".
    """
    parts = list(location)
    if parts and parts[0] == "body":
        parts = parts[1:]
    return "".join(f"/{_escape(part)}" for part in parts)


def _escape(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
