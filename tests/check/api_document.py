"""What the OpenAPI document owes to whoever reads it: nothing that is answered goes unsaid."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema_rs import Draft202012Validator

from tests.check.api_changes import METHODS, resolved

Object = Mapping[str, Any]

PROBLEM: Final = "application/problem+json"
NOT_A_PROBLEM: Final = (("/health/ready", "503"),)
"""Whoever asks for readiness wants the report in both cases."""

OF_MODULES: Final = "/v1/"
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "201": ("Location",),
    "304": ("ETag",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
    "504": ("Retry-After",),
}


def gaps(document: Object) -> Iterator[str]:
    """What is missing or wrong, a line each, with the place first."""
    if not document["openapi"].startswith("3.1."):
        yield f"openapi is {document['openapi']}, not 3.1"
    names: Counter[str] = Counter()
    for path, item in document["paths"].items():
        for method in (m for m in METHODS if m in item):
            names[item[method].get("operationId", "")] += 1
            yield from _Operation(path, method, item[method], document).gaps()
    yield from (
        f"operationId {name}: {count} operations have it"
        for name, count in names.items()
        if count > 1
    )


@dataclass(frozen=True)
class _Operation:
    path: str
    method: str
    operation: Object
    document: Object

    def gaps(self) -> Iterator[str]:
        """What this operation lacks."""
        for gap in (*self._head(), *self._body(), *self._statuses(), *self._answers()):
            yield f"{self.method.upper()} {self.path}: {gap}"

    def _head(self) -> Iterator[str]:
        if not self.operation.get("summary"):
            yield "has no summary"
        if not self.operation.get("tags"):
            yield "has no tag"
        if not re.fullmatch(r"[a-z][A-Za-z0-9]*", self.operation.get("operationId", "")):
            yield "has no operationId in camelCase"
        if "security" not in self.operation:
            yield "says neither how to authenticate nor that there is no need to"
        known = self.document["components"].get("securitySchemes", {})
        for scheme in (name for each in self.operation.get("security", ()) for name in each):
            if scheme not in known:
                yield f"names the security scheme {scheme}, which is not described"

    def _body(self) -> Iterator[str]:
        for media_type, content in self.operation.get("requestBody", {}).get("content", {}).items():
            yield from self._content(content, f"the body as {media_type}")

    def _statuses(self) -> Iterator[str]:
        """Those that follow from what the operation is."""
        required = {p["name"]: p.get("required") for p in self.operation.get("parameters", ())}
        needed = {"504"}
        needed |= {"406", "503"} if self.path.startswith(OF_MODULES) else set()
        needed |= {"401", "403"} if self.operation.get("security") else set()
        needed |= {"400", "413", "415", "422"} if "requestBody" in self.operation else set()
        needed |= {"422"} if required else set()
        needed |= {"412"} if "If-Match" in required else set()
        needed |= {"428"} if required.get("If-Match") else set()
        needed |= {"404"} if "{" in self.path else set()
        if self.method == "get" and "ETag" in self._response("200").get("headers", {}):
            needed.add("304")
        if missing := needed - self.operation["responses"].keys():
            yield f"does not say that it answers {', '.join(sorted(missing))}"

    def _answers(self) -> Iterator[str]:
        for status in self.operation["responses"]:
            response = self._response(status)
            usual = (self.path, status) not in NOT_A_PROBLEM
            for header in ("X-Context-Id", *(_HEADERS.get(status, ()) if usual else ())):
                if header not in response.get("headers", {}):
                    yield f"{status} has no header {header}"
            contents = response.get("content", {})
            if status in ("200", "201") and not contents:
                yield f"{status} has no content"
            if status >= "400" and usual and [*contents] != [PROBLEM]:
                yield f"{status} is no problem"
            for content in contents.values():
                yield from self._content(content, status)

    def _content(self, content: Object, place: str) -> Iterator[str]:
        schema = content.get("schema")
        if not schema:
            yield f"{place} has no schema"
            return
        values = [content["example"]] if "example" in content else []
        values += [
            resolved(e, self.document)["value"] for e in content.get("examples", {}).values()
        ]
        if not values:
            yield f"{place} has no example"
        rooted = {**schema, "components": self.document["components"]}
        validator = Draft202012Validator(rooted, validate_formats=True)
        for error in (error for value in values for error in validator.iter_errors(value)):
            where = "".join(f"/{part}" for part in error.instance_path)
            yield f"{place}: the example is wrong at {where or '/'}: {error.message}"

    def _response(self, status: str) -> Object:
        return resolved(self.operation["responses"].get(status, {}), self.document)
