"""Whether programs that were written for one OpenAPI document go on working with another.

What a program sends must still be taken: every value that the old schema admits, the new one must
admit too. What a program gets must still be what it expects: the new schema admits nothing that the
old one did not, except for new fields, which every program has to ignore, and new values of an
enumeration that says so (`x-extensible-enum`). Whether one schema covers another is decided by
jsonschema-rs; here is where to look, and in which direction.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from jsonschema_rs import canonical, canonicalize

Object = Mapping[str, Any]
Compare = Callable[[Object, Object, str], Iterator[str]]

METHODS: Final = ("get", "put", "post", "patch", "delete")
_BOUNDS: Final = frozenset(
    {"maxLength", "minLength", "pattern", "maxItems", "minItems", "multipleOf"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
_FOR_PEOPLE: Final = frozenset({"title", "description", "examples", "example", "default"})


def changes(old: Object, new: Object, *, today: date) -> Iterator[str]:
    """What breaks, a line each, with the place first.

    Args:
        old: the document that programs were written for.
        new: the document to be.
        today: a deprecated operation may go when its sunset is past.
    """
    for path, item in old["paths"].items():
        for method in (m for m in METHODS if m in item):
            place = f"{method.upper()} {path}"
            before = item[method]
            after = new["paths"].get(path, {}).get(method)
            if after is not None:
                yield from _Operation(place, old, new).changes(before, after)
            elif before.get("x-sunset", "9999") > today.isoformat():
                yield f"{place}: is gone, and was not deprecated or its sunset is still to come"


@dataclass(frozen=True)
class _Operation:
    """The comparison of one operation."""

    place: str
    old: Object
    new: Object

    def changes(self, before: Object, after: Object) -> Iterator[str]:
        if before["operationId"] != after["operationId"]:
            yield f"{self.place}: operationId was {before['operationId']}: a name in clients"
        if not before["security"] and after["security"]:
            yield f"{self.place}: needs credentials now"
        for role in sorted({*before.get("x-roles", ())} - {*after.get("x-roles", ())}):
            yield f"{self.place}: the role {role} may not call it any more"
        yield from self._parameters(before, after)
        yield from self._body(before.get("requestBody"), after.get("requestBody"))
        for status, response in before["responses"].items():
            yield from self._response(status, response, after["responses"].get(status))

    def _parameters(self, before: Object, after: Object) -> Iterator[str]:
        was = {(p["in"], p["name"]): p for p in before.get("parameters", ())}
        now = {(p["in"], p["name"]): p for p in after.get("parameters", ())}
        for key, parameter in now.items():
            place = f"{self.place}: {key[0]} parameter {key[1]}"
            known = was.get(key)
            if parameter.get("required") and not (known and known.get("required")):
                yield f"{place} is required now"
            if known:
                yield from self._narrower(known["schema"], parameter["schema"], place)
        for key in sorted(was.keys() - now.keys()):
            yield f"{self.place}: {key[0]} parameter {key[1]} is gone"

    def _body(self, before: Object | None, after: Object | None) -> Iterator[str]:
        if after is None:
            if before is not None:
                yield f"{self.place}: takes no body any more"
            return
        if after.get("required") and not (before and before.get("required")):
            yield f"{self.place}: a body is required now"
        for media_type, content in (before or {}).get("content", {}).items():
            if media_type not in after["content"]:
                yield f"{self.place}: does not take {media_type} any more"
            else:
                now = after["content"][media_type]["schema"]
                yield from self._narrower(content["schema"], now, f"{self.place}: body")

    def _response(self, status: str, before: Object, after: Object | None) -> Iterator[str]:
        if after is None:
            yield f"{self.place}: does not answer {status} any more"
            return
        place = f"{self.place}: {status}"
        before, after = resolved(before, self.old), resolved(after, self.new)
        for name, header in before.get("headers", {}).items():
            now = after.get("headers", {}).get(name)
            if now is None:
                yield f"{place} header {name} is gone"
            elif _required(header, self.old) and not _required(now, self.new):
                yield f"{place} header {name} can be missing now"
        for media_type, content in before.get("content", {}).items():
            now = after.get("content", {}).get(media_type)
            if now is None:
                yield f"{place} is not {media_type} any more"
                continue
            yield from self._wider(content.get("schema", {}), now.get("schema", {}), place)
            yield from _renamed({*content.get("examples", ())}, {*now.get("examples", ())}, place)

    def _narrower(self, before: Object, after: Object, place: str) -> Iterator[str]:
        """Where what was taken is not taken any more."""
        before, after = _inlined(before, self.old), _inlined(after, self.new)
        yield from _narrower(before, after, place)
        yield from _other_defaults(before, after, place)

    def _wider(self, before: Object, after: Object, place: str) -> Iterator[str]:
        """Where what is answered can be what it could not be."""
        yield from _wider(
            _open(_inlined(before, self.old)), _open(_inlined(after, self.new)), place
        )


def _narrower(before: Object, after: Object, place: str) -> Iterator[str]:
    if _covers(after, before):
        return
    was, now = _something(before), _something(after)
    found = list(_inside(was, now, place, _narrower))
    required = {*now.get("required", ())} - {*was.get("required", ())}
    found += [f"{place}/{name} is required now" for name in sorted(required)]
    if now.get("additionalProperties") is False:
        gone = was.get("properties", {}).keys() - now.get("properties", {}).keys()
        found += [f"{place}/{name} is gone" for name in sorted(gone)]
    yield from found or [f"{place} takes less than before{_difference(before, after)}"]


def _wider(before: Object, after: Object, place: str) -> Iterator[str]:
    was, now = _something(before), _something(after)
    found = list(_inside(was, now, place, _wider))
    gone = was.get("properties", {}).keys() - now.get("properties", {}).keys()
    found += [f"{place}/{name} is gone" for name in sorted(gone)]
    optional = {*was.get("required", ())} - {*now.get("required", ())} - gone
    found += [f"{place}/{name} can be missing now" for name in sorted(optional)]
    if not found and not _covers(before, after):
        found = [f"{place} can be more than before{_difference(before, after)}"]
    yield from found


def _inside(was: Object, now: Object, place: str, compare: Compare) -> Iterator[str]:
    """The comparison of all that both schemas have inside."""
    after = now.get("properties", {})
    for name, before in was.get("properties", {}).items():
        if name in after:
            yield from compare(before, after[name], f"{place}/{name}")
    if "items" in was and "items" in now:
        yield from compare(was["items"], now["items"], f"{place}/*")


def _other_defaults(before: Object, after: Object, place: str) -> Iterator[str]:
    if before.get("default") != after.get("default"):
        told = f"{before.get('default')!r} → {after.get('default')!r}"
        yield f"{place} means something else when it is left out: {told}"
    yield from _inside(_something(before), _something(after), place, _other_defaults)


def _covers(general: Object, special: Object) -> bool:
    """Whether it is certain that one schema admits all that the other does."""
    whole, part = (canonicalize({**s}, validate_formats=True) for s in (general, special))
    return whole.covers(part) is canonical.Containment.YES


def _something(schema: Object) -> Object:
    """The schema of what is not null, if that is one."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    return branches[0] if len(branches) == 1 else schema


def _difference(before: Object, after: Object) -> str:
    """The keywords that differ, for people."""
    names = sorted((before.keys() | after.keys()) - _FOR_PEOPLE - {"properties", "items"})
    differing = [name for name in names if before.get(name) != after.get(name)]
    told = [f"{name} {before.get(name)!r} → {after.get(name)!r}" for name in differing]
    return f": {', '.join(told)}" if told else ""


def _inlined(schema: Any, document: Object, seen: tuple[str, ...] = ()) -> Any:
    """`schema` without references; where it contains itself, anything goes."""
    if isinstance(schema, list):
        return [_inlined(each, document, seen) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" not in schema:
        return {name: _inlined(value, document, seen) for name, value in schema.items()}
    target = schema["$ref"]
    return {} if target in seen else _inlined(resolved(schema, document), document, (*seen, target))


def _open(schema: Any) -> Any:
    """The schema of an answer as programs have to read it: there may be more fields, and more
    values of an enumeration that says so. How long a text may be nobody relies on."""
    if isinstance(schema, list):
        return [_open(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    ignored = _BOUNDS | {"additionalProperties"}
    ignored |= {"enum", "const"} if schema.get("x-extensible-enum") else set()
    kept = {name: _open(value) for name, value in schema.items() if name not in ignored}
    fields = {name: _open(field) for name, field in schema.get("properties", {}).items()}
    return {**kept, "properties": fields} if fields else kept


def resolved(value: Object, document: Object) -> Object:
    """`value`, or the component that it refers to."""
    while "$ref" in value:
        kind, name = value["$ref"].split("/")[-2:]
        value = document["components"][kind][name]
    return value


def _required(header: Object, document: Object) -> bool:
    return bool(resolved(header, document).get("required"))


def _renamed(was: set[str], now: set[str], place: str) -> Iterator[str]:
    """Codes of problems that others stand for now. That one cannot come any more harms nobody."""
    if was - now and now - was:
        yield f"{place} has other codes: {_list(was - now)} → {_list(now - was)}"


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
