from libs.db.idempotency import Scope, fingerprint

SCOPE = Scope(actor="a", route="POST /v1/orders", key="k")


def test_the_fingerprint_does_not_depend_on_the_order_of_fields() -> None:
    assert fingerprint({"a": 1, "b": [{"c": 2, "d": 3}]}) == fingerprint(
        {"b": [{"d": 3, "c": 2}], "a": 1}
    )


def test_the_fingerprint_depends_on_the_order_of_lines() -> None:
    assert fingerprint({"lines": [1, 2]}) != fingerprint({"lines": [2, 1]})


def test_the_lock_depends_on_every_part_of_the_scope() -> None:
    others = [
        Scope(actor="b", route=SCOPE.route, key=SCOPE.key),
        Scope(actor=SCOPE.actor, route="POST /v1/others", key=SCOPE.key),
        Scope(actor=SCOPE.actor, route=SCOPE.route, key="l"),
    ]
    assert len({SCOPE.lock, *(other.lock for other in others)}) == 4


def test_the_lock_is_a_number_of_64_bits() -> None:
    assert -(2**63) <= SCOPE.lock < 2**63


def test_with_a_secret_the_fingerprint_cannot_be_guessed() -> None:
    body = {"password": "correct horse"}
    prints = {fingerprint(body), fingerprint(body, b"one secret"), fingerprint(body, b"another")}
    assert len(prints) == 3
    assert fingerprint({"a": 1, "b": 2}, b"s") == fingerprint({"b": 2, "a": 1}, b"s")
