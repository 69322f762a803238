"""Idempotency keys: a request that is sent again has its effect once, and the same answer.

    async with unit_of_work(db):
        answer = await keys.once(scope, fingerprint, perform)

The key's row commits with the effect, or not at all: a request that failed may be sent again. A
transaction-level advisory lock stands for the row until it is there, so that the second of two
requests that come at once is told so, instead of holding a connection until the first is done.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from tortoise.exceptions import IntegrityError

from libs.db.database import Database
from libs.db.errors import constraint
from libs.db.statement import Statement
from libs.db.unit_of_work import current_unit_of_work
from libs.errors import Conflict, FieldError, InvalidInput

HEADER: Final = "Idempotency-Key"

IDEMPOTENCY_V1: Final = """
CREATE TABLE idempotency_keys (
    actor       text NOT NULL,
    route       text NOT NULL,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,
    status      smallint NOT NULL CHECK (status BETWEEN 200 AND 299),
    headers     jsonb NOT NULL,
    body        bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, route, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS 'Answers to requests that may be sent again';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 of the request body in canonical JSON';
COMMENT ON COLUMN idempotency_keys.created_at IS 'Old rows may go: see the index';
"""
"""The table, for a module's first migration."""

# The row is not visible if its transaction committed after this statement began; to keep an answer
# then runs into the primary key.
CLAIM: Final = """
SELECT pg_try_advisory_xact_lock(:key_lock) AS held, k.fingerprint, k.status, k.headers, k.body
  FROM (VALUES (1)) AS one
  LEFT JOIN idempotency_keys k
         ON k.actor = :key_actor AND k.route = :key_route AND k.key = :key_sent"""
"""A part of a statement: one row, for `replay`. If it is `held` and has no status the key is free:
the statement may do the work, and keep the answer to it."""

KEEP: Final = """
INSERT INTO idempotency_keys (actor, route, key, fingerprint, status, headers, body)
SELECT :key_actor, :key_route, :key_sent, :key_fingerprint, :key_status, :key_headers, :key_body"""
"""A part of a statement: keeps the answer. `FROM` may follow."""

_CLAIM: Final = Statement(f"/* idempotency.claim */ {CLAIM}")

_FIND: Final = """/* idempotency.find */
SELECT fingerprint, status, headers, body FROM idempotency_keys
 WHERE actor = $1 AND route = $2 AND key = $3"""

_COMPLETE: Final = Statement(f"/* idempotency.complete */ {KEEP}")

_PRIMARY_KEY: Final = "idempotency_keys_pkey"

RETRY_AFTER_S: Final = 1.0


class InFlight(Conflict):
    code = "idempotency.in_flight"
    title = "A request with this idempotency key is being worked on"


class KeyReused(InvalidInput):
    code = "idempotency.key_reused"
    title = "The idempotency key was used for another request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a key is unique within.

    Attributes:
        actor: who sent the request.
        route: method and route template.
        key: the client's.
    """

    actor: str
    route: str
    key: str

    @property
    def lock(self) -> int:
        """The number of the advisory lock. Two scopes of one number only exclude each other."""
        text = orjson.dumps([self.actor, self.route, self.key])
        return int.from_bytes(hashlib.sha256(text).digest()[:8], signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered with.

    Attributes:
        status: of HTTP.
        body: the very bytes.
        headers: those that belong to the answer's content: Location, ETag.
        replayed: whether it was given before.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False


def fingerprint(body: object, secret: bytes | None = None) -> bytes:
    """SHA-256 of what a request asks for, however it was written.

    Args:
        body: parsed and validated, made of what JSON can hold.
        secret: for a body that holds a password, which nobody may try to guess from the stored
            fingerprint: it becomes an HMAC.
    """
    text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    if secret is not None:
        return hmac.digest(secret, text, "sha256")
    return hashlib.sha256(text).digest()


class IdempotencyKeys:
    """The keys in one module's schema."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def once(
        self, scope: Scope | None, fingerprint: bytes, perform: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Perform a request, unless it was performed before: then its answer again.

        Belongs in the unit of work that the effects belong to. An error of `perform` must leave
        that unit of work: the key is free again then, as if there had been no request.

        Args:
            scope: None if the client sent no key: then it is just performed.

        Raises:
            InFlight, KeyReused: as `claim` does. Also what `perform` raises.
        """
        if scope is None:
            return await perform()
        if (stored := await self.claim(scope, fingerprint)) is not None:
            return stored
        answer = await perform()
        await self.complete(scope, fingerprint, answer)
        return answer

    async def claim(self, scope: Scope, fingerprint: bytes) -> Answer | None:
        """The answer that was given before, or None: the caller does the work, and then calls
        `complete` in the same unit of work.

        Raises:
            InFlight: another request has claimed the key and is not done yet.
            KeyReused: the key belongs to a request that asked for something else.
            RuntimeError: there is no open unit of work.
        """
        current_unit_of_work(self._db)
        row = await self._db.row(_CLAIM.sql, *_CLAIM.arguments(claimed(scope)))
        assert row is not None  # noqa: S101 (of a list of one value)
        return replay(row, fingerprint)

    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None:
        """The answer that was given before, if there is one; claims nothing.

        Raises:
            KeyReused: the key belongs to a request that asked for something else.
        """
        row = await self._db.row(_FIND, scope.actor, scope.route, scope.key)
        return None if row is None else _replay(row, fingerprint)

    async def complete(self, scope: Scope, fingerprint: bytes, answer: Answer) -> None:
        """Keep `answer`.

        Raises:
            InFlight: the request that was in the way is done by now: its answer can be had.
        """
        values = claimed(scope) | kept(fingerprint, answer)
        try:
            await self._db.rows(_COMPLETE.sql, *_COMPLETE.arguments(values))
        except IntegrityError as error:
            if is_kept(error):
                raise InFlight(retry_after=RETRY_AFTER_S) from error
            raise


def claimed(scope: Scope) -> dict[str, Any]:
    """The parameters of `CLAIM`."""
    return {
        "key_lock": scope.lock,
        "key_actor": scope.actor,
        "key_route": scope.route,
        "key_sent": scope.key,
    }


def kept(fingerprint: bytes, answer: Answer) -> dict[str, Any]:
    """The parameters of `KEEP`, beside those of `CLAIM`."""
    return {
        "key_fingerprint": fingerprint,
        "key_status": answer.status,
        "key_headers": orjson.dumps(dict(answer.headers)).decode(),
        "key_body": answer.body,
    }


def replay(row: Mapping[str, Any], fingerprint: bytes) -> Answer | None:
    """What the row of `CLAIM` says: the answer that was given before; None: the key is free.

    Raises:
        InFlight: another request has claimed the key and is not done yet.
        KeyReused: the key belongs to a request that asked for something else.
    """
    if row["status"] is not None:
        return _replay(row, fingerprint)
    if not row["held"]:
        raise InFlight(retry_after=RETRY_AFTER_S)
    return None


def is_kept(error: IntegrityError) -> bool:
    """Whether a statement with `KEEP` failed because another request has its answer there since."""
    return constraint(error) == _PRIMARY_KEY


def _replay(row: Mapping[str, Any], fingerprint: bytes) -> Answer:
    if bytes(row["fingerprint"]) != fingerprint:
        wrong = FieldError(f"/header/{HEADER}", KeyReused.code, "Use a new key for a new request")
        raise KeyReused(errors=[wrong])
    answer = Answer(
        status=row["status"], headers=orjson.loads(row["headers"]), body=bytes(row["body"])
    )
    return replace(answer, replayed=True)
