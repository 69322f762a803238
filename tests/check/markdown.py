"""As much of Markdown as the checks of the docs need."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*(\w*)")
_INLINE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


@dataclass(frozen=True, slots=True)
class Piece:
    """Something in a document.

    Attributes:
        line: where it is, from 1 on.
        text: what it says.
        language: of the fenced block that it is a line of; None: it is not in one.
    """

    line: int
    text: str
    language: str | None = None


def _lines(document: str) -> Iterator[Piece]:
    """Every line, with the fenced block that it is in; the fences themselves are left out."""
    fence, language = "", ""
    for number, line in enumerate(document.splitlines(), 1):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence, language = mark[1], mark[2].lower()
        elif mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        else:
            yield Piece(number, line, language if fence else None)


def code(document: str) -> Iterator[Piece]:
    """Inline code, and the lines of fenced blocks."""
    for piece in _lines(document):
        if piece.language is not None:
            yield piece
        else:
            yield from (Piece(piece.line, m[2].strip()) for m in _INLINE.finditer(piece.text))


def links(document: str) -> Iterator[Piece]:
    """The targets of links."""
    for piece in _lines(document):
        if piece.language is None:
            prose = _INLINE.sub("", piece.text)
            yield from (Piece(piece.line, match[1]) for match in _LINK.finditer(prose))


def anchors(document: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    found: dict[str, int] = {}
    every = set()
    for piece in _lines(document):
        if piece.language is None and (heading := _HEADING.match(piece.text)):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            count = found.get(slug, 0)
            found[slug] = count + 1
            every.add(f"{slug}-{count}" if count else slug)
    return every
