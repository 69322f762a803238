"""Every operation keeps to the OpenAPI document, whatever it is sent.

schemathesis makes requests from the document, good ones and bad ones, and the same in every run:
the document's own examples, the bounds of each schema, random ones, and sequences in which an
answer of one operation is what the next one is asked for. Whatever comes back must be documented:
status, media type, headers, schema; and every error is a problem.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import schemathesis
from schemathesis import Case, CheckContext, Config, GenerationMode, Response, engine
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import CheckNode
from schemathesis.python.asgi import shutdown_lifespans
from starlette.responses import Response as Answer

from libs.auth.guards import anyone
from libs.errors import Conflict
from libs.module import Registry
from libs.schema import Schema
from libs.web.app import in_layer
from libs.web.routing import JSON, api_router
from tests.integration.web.conftest import OneProcess
from tests.unit.web.app import application, registry, settings

EXAMPLES: Final = 5
"""Random requests for each operation."""

REFUSALS: Final = ["400", "401", "403", "404", "406", "412", "413", "415", "422", "428"]
"""What a bad request may be answered with."""

CONFIG: Final[dict[str, Any]] = {
    "seed": 20260131,
    "continue-on-failure": True,
    "generation": {
        "mode": "all",
        "max-examples": EXAMPLES,
        "deterministic": True,
        "no-shrink": True,
        "database": "none",
        "allow-x00": False,  # no schema says that texts have no NUL; see tests/unit/web
    },
    "checks": {
        "positive_data_acceptance": {"enabled": False},  # see `taken`
        "negative_data_rejection": {"expected-statuses": REFUSALS},
        "missing_required_header": {"expected-statuses": REFUSALS},
    },
}

ROLES: Final[Mapping[str, dict[str, Any]]] = {
    "admin": {},
    # What is refused for its form is the same for both.
    "customer": {"phases": {"coverage": {"generation": {"mode": "positive"}}}},
}
"""Who asks, and what is special about it."""

MALFORMED: Final = ("malformed_body", "invalid_input")


pytestmark = [
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]


class Lie(Schema):
    version: int


@schemathesis.check
def taken(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the document admits is not refused for its form, only for what it means."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if response.status_code >= 400 and (problem := response.json())["code"] in MALFORMED:
        codes = {
            mistake["code"]
            for mistake in problem.get("errors", [{"code": "", "pointer": ""}])
            # schemathesis takes a placeholder for a good header when it tries other parameters
            if not mistake["pointer"].startswith("/header/")
        }
        assert codes <= {"value_error"}, problem  # that is: a rule that no schema can express


@schemathesis.check
def problems(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every error is a problem."""
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    problem = response.json()
    assert problem["status"] == response.status_code
    assert [problem["contextId"]] == response.headers["x-context-id"]


@pytest.mark.parametrize("role", ROLES)
def test_contract(
    role: str, modules: Registry, environ: dict[str, str], tokens: dict[str, str]
) -> None:
    runtime = OneProcess(modules, environ)
    auth = {"auth": {"openapi": {"HTTPBearer": {"bearer": tokens[role]}}}}
    found, asked = _found(runtime.app, {**ROLES[role], **auth})
    assert not found, "\n\n".join(found)
    paths = runtime.fastapi.openapi()["paths"]
    assert asked == {f"{m.upper()} {path}" for path, item in paths.items() for m in item}


def test_what_breaks_the_contract_is_found() -> None:
    """So that the test above cannot be good for nothing."""
    routes = api_router(tag="lies")

    @routes.get("/v1/lies/{name}", response_model=Lie, dependencies=[anyone])
    async def get_lie(name: str) -> Answer:
        if name != name.lower():
            raise Conflict
        return Answer(b'{"version": "one"}', media_type=JSON)

    found, _ = _found(in_layer(application([routes]), registry("/v1/lies"), settings()), {})
    names = {line.partition(": ")[2].partition(":")[0] for line in found}
    assert names == {
        "status_code_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    }


def _found(app: Any, special: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """What is wrong with the answers of `app`, and the operations that were called."""
    config = Config.from_dict({**CONFIG, **special})
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    asked: set[str] = set()
    found: dict[str, None] = {}
    try:
        for event in engine.from_schema(schema).execute():
            found |= dict.fromkeys(_failures(event))
            if isinstance(event, ScenarioFinished):
                asked |= {case.operation.label for case in event.recorder.find_all_cases()}
    finally:
        shutdown_lifespans()
    return [*found], asked


def _failures(event: EngineEvent) -> Iterator[str]:
    """What an event tells of that is not as it should be."""
    match event:
        case FatalError(exception=error):
            raise error
        case NonFatalError(value=error, label=label):
            yield f"{label}: {error}"
        case ScenarioFinished(recorder=recorder):
            for case_id, checks in recorder.checks.items():
                case = recorder.cases[case_id].value
                yield from (told for check in checks for told in _told(check, case))
        case _:
            pass


def _told(check: CheckNode, case: Case[Any]) -> Iterator[str]:
    if check.failure_info is None or (check.name == "use_after_free" and _asks_for_deleted(case)):
        return
    how, why = check.failure_info.code_sample, case.meta and case.meta.phase.data.description
    yield f"{case.operation.label}: {check.name}: {check.failure_info.failure}\n{why}\n{how}"


def _asks_for_deleted(case: Case[Any]) -> bool:
    return bool((case.query or {}).get("includeDeleted"))
