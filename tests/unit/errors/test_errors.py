"""The tree of errors: one code each, a status each, and the same error at both ends of a call."""

import re

import orjson
import pytest

from libs import errors
from libs.errors import AppError, FieldError, catalogue, from_problem
from libs.web.problems import STATUS, problem, status_of
from services import registry

GENERAL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, AppError)]
CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


def _everything() -> dict[str, type[AppError]]:
    """The catalogue with all modules' own errors, less those that tests define."""
    registry.load(registry.MODULES)
    return {c: e for c, e in catalogue().items() if not e.__module__.startswith("tests.")}


def test_each_code_is_there_once_and_well_formed() -> None:
    everything = _everything()
    assert list(everything) == sorted(everything)
    assert all(CODE.fullmatch(code) for code in everything)
    assert all(code == error.code for code, error in everything.items())


def test_each_class_has_a_code_and_a_title_of_its_own() -> None:
    everything = _everything().values()
    assert all("code" in e.__dict__ and "title" in e.__dict__ for e in everything)
    assert all(e.title and not e.title.endswith(".") for e in everything)


def test_each_class_has_a_status_of_its_own_kind() -> None:
    for error in _everything().values():
        assert 400 <= status_of(error) <= 599, error
    assert all(e in STATUS or e.__base__ in STATUS for e in GENERAL if e is not AppError)


def test_a_code_that_is_used_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class One(errors.Conflict):
        code = "tests.one"
        title = "One"

    class Other(errors.Conflict):
        code = "tests.other"
        title = "Other"

    catalogue()
    monkeypatch.setattr(Other, "code", "tests.one")
    with pytest.raises(ValueError, match=r"One and Other share the code 'tests\.one'"):
        catalogue()


def test_the_detail_is_the_title_unless_said() -> None:
    assert errors.NotFound().detail == errors.NotFound.title
    assert str(errors.NotFound("no such order")) == "no such order"
    assert errors.NotFound("no such order").detail == "no such order"


@pytest.mark.parametrize("code", sorted(_everything()))
def test_each_error_survives_the_way_over_the_wire(code: str) -> None:
    error = _everything()[code]
    sent = error("said so", errors=[FieldError("/lines/0", "too_small", "at least 1")])
    body = orjson.loads(problem(sent, instance="/v1/x").body)
    received = from_problem(body)
    assert type(received) is error
    assert (received.detail, received.errors) == (sent.detail, sent.errors)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, errors.InvalidInput),
        (401, errors.Unauthenticated),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (412, errors.PreconditionFailed),
        (418, errors.Internal),
        (422, errors.InvalidInput),
        (428, errors.PreconditionRequired),
        (429, errors.TooManyRequests),
        (500, errors.Internal),
        (503, errors.Unavailable),
        (504, errors.DeadlineExceeded),
    ],
)
def test_a_code_that_is_not_known_becomes_the_general_class_of_its_status(
    status: int, expected: type[AppError]
) -> None:
    received = from_problem({"code": "elsewhere.own", "status": status, "detail": "x"})
    assert type(received) is expected
    assert received.detail == "x"


def test_a_poor_problem_is_an_error_all_the_same() -> None:
    assert type(from_problem({})) is errors.Internal
    assert from_problem({"status": 404}).detail == errors.NotFound.title
    assert from_problem({"errors": [{}]}).errors == (FieldError("", "", ""),)
