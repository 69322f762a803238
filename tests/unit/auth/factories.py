"""What tests of `auth` build."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.auth.deny_list import DenyList, MemoryDenyStore
from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.context import transaction_open
from libs.contracts.auth import MessageKind
from libs.db.idempotency import Answer, KeyReused, Scope
from libs.db.unit_of_work import AfterCommit
from libs.events.event import Event
from services.auth.administration.service import Administration
from services.auth.keys.memory import MemoryKeyRepository
from services.auth.keys.ring import KeyRing
from services.auth.keys.sealing import Sealer
from services.auth.keys.service import KeyService
from services.auth.sessions.clients import Client
from services.auth.sessions.memory import MemorySessions
from services.auth.sessions.ports import Holder
from services.auth.sessions.service import Going, Sessions
from services.auth.settings import PasswordSettings, ServiceClients, SessionSettings
from services.auth.tokens.issuer import TokenIssuer
from services.auth.tokens.service import TokenService
from services.auth.users.common_passwords import CommonPasswords
from services.auth.users.manager import UserManager
from services.auth.users.memory import MemoryUserRepository
from services.auth.users.models import User
from services.auth.users.passwords import Passwords
from services.auth.users.profiles import NAMESPACE, Profiles
from services.auth.users.registration import Registration
from services.auth.users.schemas import NewUser, UserOut
from services.auth.users.service import UserService

CHEAP = PasswordSettings(memory_kib=64, iterations=1, parallelism=1, concurrency=2)
PASSWORD = "correct horse"
KEY_SECRET = "encrypts-the-keys-of-tests"


def new_user(**given: Any) -> NewUser:
    """A user to sign up."""
    fields = {"email": "ada@example.com", "password": PASSWORD, "display_name": "Ada Lovelace"}
    return NewUser.model_validate({**fields, **given})


def pem(private: Any, encryption: Any = None) -> bytes:
    """A private key as a file's content."""
    written: bytes = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    )
    return written


def new_pem() -> bytes:
    """A new signing key."""
    return pem(ec.generate_private_key(ec.SECP256R1()))


class Now:
    """The time, which stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **how_far: float) -> None:
        self.time += timedelta(**how_far)


class KeyWorld:
    """Signing keys over a repository in memory; there is none at first.

    Attributes:
        publish_s: how long a new one is published before it signs.
    """

    publish_s = 60

    def __init__(self, now: Now | None = None, *, secrets: Sequence[str] = (KEY_SECRET,)) -> None:
        self.now = now or Now()
        self.repository = MemoryKeyRepository(self.now)
        self.sealer = Sealer([secret.encode() for secret in secrets])
        self.service = KeyService(
            self.repository, self.sealer, work=nullcontext, publish_s=self.publish_s
        )

    def ring(self, max_age_s: float = 0) -> KeyRing:
        """The keys, as a process knows them."""
        return KeyRing(
            self.repository,
            self.sealer,
            max_age_s=max_age_s,
            now=self.now,
            clock=lambda: self.now().timestamp(),
        )

    async def with_key(self) -> KeyRing:
        """The keys of a process, with one that signs."""
        await self.service.rotate()
        return self.ring()


def service_clients(clients: Mapping[str, str | list[str]]) -> ServiceClients:
    """The settings as they come from the environment."""
    return ServiceClients.model_validate({"clients": json.dumps(clients)})


class CountingPasswords(Passwords):
    """Knows how often it was asked."""

    def __init__(self, settings: PasswordSettings) -> None:
        super().__init__(settings)
        self.calls: list[str] = []

    async def hash(self, password: str) -> str:
        self.calls.append("hash")
        return await super().hash(password)

    async def verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        self.calls.append("verify")
        return await super().verify(password, hashed)


def principal(user: User) -> Principal:
    """Somebody who has logged in a moment ago."""
    return Principal(subject=str(user.id), roles=tuple(user.roles), revision=user.version)


def told(user: User) -> Answer:
    """What is said of a new user."""
    return Answer(status=201, body=UserOut.of(user).to_json())


class MemoryKeys:
    """Idempotency keys in a dictionary. There is nobody to be in flight."""

    def __init__(self) -> None:
        self.rows: dict[Scope, tuple[bytes, Answer]] = {}

    async def once(
        self,
        scope: Scope | None,
        fingerprint: bytes,
        perform: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        if scope is None:
            return await perform()
        if (stored := await self.find(scope, fingerprint)) is not None:
            return stored
        answer = await perform()
        self.rows[scope] = (fingerprint, answer)
        return answer

    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None:
        known, answer = self.rows.get(scope, (fingerprint, None))
        if known != fingerprint:
            raise KeyReused
        return None if answer is None else replace(answer, replayed=True)


@dataclass
class UserWorld:
    """The use cases of users over fakes.

    Attributes:
        steps: what happened, in order.
        store: of the cache.
        notified: who was sent which message.
    """

    settings: PasswordSettings = CHEAP
    repository: MemoryUserRepository = field(default_factory=MemoryUserRepository)
    events: list[Event] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    store: MemoryStore = field(default_factory=MemoryStore)
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    now: Now = field(default_factory=Now)
    notified: list[tuple[UUID, MessageKind]] = field(default_factory=list)
    denied: MemoryDenyStore = field(default_factory=MemoryDenyStore)

    def __post_init__(self) -> None:
        self.passwords = CountingPasswords(self.settings)
        self.manager = UserManager(self.repository, self.passwords, CommonPasswords())
        cache = Cache(self.store, namespace=NAMESPACE)
        self.profiles = Profiles(self.repository, cache, ttl_s=30)
        self.registration = Registration(
            self.manager,
            work=self._work,
            publish=self._publish,
            notify=self._notify,
            keys=self.keys,
            fingerprint_key=b"a secret",
            default_country="DE",
        )
        self.users = UserService(
            self.manager,
            self.registration,
            self.profiles,
            work=self._work,
            publish=self._publish,
        )
        self.session_store = MemorySessions(self._account)
        self.deny_list = DenyList()
        self.deny_list.configure(self.denied, now=lambda: self.now().timestamp())
        self.sessions = Sessions(
            self.session_store,
            self.deny_list,
            SessionSettings.model_validate({}),
            work=self._work,
            publish=self._publish,
            notify=self._notify,
            access_token_s=605,
            cursor_key=b"a third secret",
            now=self.now,
        )
        self.administration = Administration(
            self.repository,
            self.registration,
            self.profiles,
            self.sessions,
            work=self._work,
            publish=self._publish,
            cursor_key=b"another secret",
        )

    async def create(self, name: str = "ada", *roles: str) -> User:
        """A user, who is at `<name>@example.com`."""
        given = {"roles": roles} if roles else {}
        return await self.registration.create(new_user(email=f"{name}@example.com", **given))

    def tokens(self, ring: KeyRing, clients: dict[str, str] | None = None) -> TokenService:
        """The use cases of tokens, over these users."""
        issuer = TokenIssuer(TokenSettings.model_validate({}), lifetime_s=600)
        hashes = service_clients(clients or {}).hashes
        return TokenService(self.users, self.sessions, ring, issuer, hashes)

    async def going(self, user: User, device: str = "Ada's laptop") -> Going:
        """A session of a user that has just begun."""
        client = Client(device, "192.0.2.0/24")
        going = await self.sessions.begin(user.id, user.hashed_password, client)
        assert going is not None
        return going

    def _account(self, user_id: UUID) -> tuple[Holder, str] | None:
        user = self.repository.users.get(user_id)
        if user is None or user.deleted_at is not None or not user.is_active:
            return None
        holder = Holder(
            id=user.id,
            roles=tuple(user.roles),
            display_name=user.display_name,
            country=user.country,
            revision=user.version,
        )
        return holder, user.hashed_password

    @asynccontextmanager
    async def _work(self) -> AsyncIterator["FakeWork"]:
        """A unit of work that takes notes, and of no hash that is computed in it."""
        self.steps.append("open")
        hashed = len(self.passwords.calls)
        work, is_open = FakeWork(), transaction_open.set(True)
        try:
            yield work
        except BaseException:
            self.steps.append("roll back")
            raise
        finally:
            transaction_open.reset(is_open)
            assert len(self.passwords.calls) == hashed, "a hash inside the transaction"
        self.steps.append("commit")
        await work.committed()

    async def _notify(self, user_id: UUID, kind: MessageKind) -> None:
        self.notified.append((user_id, kind))

    async def _publish(self, event: Event) -> None:
        self.steps.append("publish")
        self.events.append(event)


class FakeWork:
    """Has something to do once it is committed."""

    def __init__(self) -> None:
        self._callbacks: list[AfterCommit] = []

    def after_commit(self, callback: AfterCommit) -> None:
        self._callbacks.append(callback)

    async def committed(self) -> None:
        for callback in self._callbacks:
            result = callback()
            if isawaitable(result):
                await result
