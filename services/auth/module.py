"""The module `auth`: users, and the tokens that tell the others who is asking."""

import hmac
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from libs.auth.deny_list import DenyList
from libs.auth.verifier import LEEWAY_S
from libs.cache.cache import Cache
from libs.cache.redis import RedisConnection
from libs.contracts.auth import (
    EmailVerified,
    MessageRequested,
    PasswordChanged,
    RefreshTokenReused,
    SessionEnded,
    SessionStarted,
    UserCreated,
    UserDeleted,
    UserUpdated,
)
from libs.db.database import Database, Databases
from libs.db.idempotency import IdempotencyKeys
from libs.db.reaper import IdempotencyReaper
from libs.db.unit_of_work import unit_of_work
from libs.events.cleaning import EventCleaner
from libs.events.consumer import Consumer
from libs.events.inbox import DatabaseInbox
from libs.events.kafka import KafkaBus
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.module import Check, Host, Module, Wired
from services.auth.accounts.eraser import Eraser
from services.auth.accounts.routes import routes as account_routes
from services.auth.accounts.service import Accounts
from services.auth.administration.routes import routes as administration_routes
from services.auth.administration.service import Administration
from services.auth.keys.repository import KeyRepository
from services.auth.keys.ring import KeyRing
from services.auth.keys.routes import routes as key_routes
from services.auth.keys.sealing import Sealer
from services.auth.keys.service import KeyService
from services.auth.messages.repository import MessageRepository
from services.auth.messages.routes import routes as message_routes
from services.auth.messages.service import Messages
from services.auth.seed import seed
from services.auth.sessions.handlers import handlers as session_handlers
from services.auth.sessions.reaper import SessionReaper
from services.auth.sessions.repository import SessionRepository
from services.auth.sessions.routes import routes as session_routes
from services.auth.sessions.service import Sessions
from services.auth.settings import AuthSettings
from services.auth.throttling.memory import MemoryAttempts
from services.auth.throttling.repository import RedisAttempts, SharedAttempts
from services.auth.throttling.service import LoginThrottle
from services.auth.tokens.issuer import TokenIssuer
from services.auth.tokens.oauth import routes as oauth_routes
from services.auth.tokens.routes import routes as token_routes
from services.auth.tokens.service import TokenService
from services.auth.users.common_passwords import CommonPasswords
from services.auth.users.manager import UserManager
from services.auth.users.passwords import Passwords
from services.auth.users.profiles import NAMESPACE, Profiles
from services.auth.users.registration import Registration
from services.auth.users.repository import UserRepository
from services.auth.users.routes import routes as user_routes
from services.auth.users.service import UserService

NAME = "auth"


MODELS = (
    "services.auth.users.models",
    "services.auth.sessions.models",
    "services.auth.keys.models",
    "services.auth.messages.models",
)

EMBEDDED = "embedded"
"""The profile that makes the first signing key itself; elsewhere an operator does."""


def build(host: Host, settings: AuthSettings) -> Wired:
    """The composition root."""
    db = host.share(Databases).add(NAME, settings.database, MODELS)
    redis, bus, deny_list = host.share(RedisConnection), host.share(KafkaBus), host.share(DenyList)
    redis.configure(settings.cache)
    bus.configure(settings.events)
    messages = _messages(db, settings)
    sessions = _sessions(db, deny_list, messages, settings)
    accounts = _accounts(db, redis, messages, sessions, settings)
    keys = _keys(db, settings)
    tokens = TokenService(
        accounts.users,
        sessions,
        keys.ring,
        TokenIssuer(settings.tokens, lifetime_s=settings.signing.access_token_s),
        settings.service.hashes,
        throttle=_throttle(redis, settings),
    )
    relay = Relay(OutboxQueue(db), bus, settings.relay)
    consumer = Consumer(
        inbox=DatabaseInbox(db),
        bus=bus,
        group=NAME,
        handlers=session_handlers(deny_list),
        settings=settings.consumer,
    )

    async def seed_accounts(data: Mapping[str, Any]) -> None:
        await seed(accounts.registration, data.get("accounts", {}))

    return Wired(
        routers=(
            user_routes(accounts.users),
            administration_routes(accounts.administration),
            account_routes(accounts.accounts),
            message_routes(messages),
            session_routes(sessions),
            token_routes(tokens),
            oauth_routes(tokens),
            key_routes(keys.ring, max_age_s=settings.tokens.keys_max_age_s),
        ),
        tasks=(
            relay,
            consumer,
            EventCleaner(db, settings.relay, settings.consumer),
            IdempotencyReaper(db, settings.idempotency),
            SessionReaper(db, settings.sessions),
            Eraser(db, settings.erasure),
        ),
        checks=(
            Check(name="auth.database", probe=db.ping, critical=True),
            Check(name="auth.keys", probe=keys.ring.check, critical=True),
            Check(name="redis", probe=redis.ping, critical=False),
            Check(name=relay.name, probe=relay.check, critical=False),
            Check(name=consumer.name, probe=consumer.check, critical=False),
        ),
        prepare=keys.service.make_first if host.server.environment == EMBEDDED else None,
        seed=seed_accounts,
    )


def _throttle(redis: RedisConnection, settings: AuthSettings) -> LoginThrottle:
    keep_s = settings.throttle.keep_s
    attempts = SharedAttempts(RedisAttempts(redis, keep_s), MemoryAttempts(keep_s))
    key = hmac.digest(settings.cursors.key, b"auth: addresses in the counters of logins", "sha256")
    return LoginThrottle(attempts, settings.throttle, key=key)


class _Keys(NamedTuple):
    ring: KeyRing
    service: KeyService


def _keys(db: Database, settings: AuthSettings) -> _Keys:
    repository, sealer = KeyRepository(db), Sealer(settings.keys.secrets)
    # A key is known to all processes, and by them to all verifiers, long before it signs.
    ring = KeyRing(repository, sealer, max_age_s=settings.tokens.publish_s / 12)
    return _Keys(ring, key_service(db, settings))


def key_service(db: Database, settings: AuthSettings) -> KeyService:
    """What operators do with the keys, on a database of this module."""
    return KeyService(
        KeyRepository(db),
        Sealer(settings.keys.secrets),
        work=partial(unit_of_work, db),
        publish_s=settings.tokens.publish_s,
    )


def _messages(db: Database, settings: AuthSettings) -> Messages:
    return Messages(
        MessageRepository(db), UserRepository(), settings.messages, publish=Outbox(db).add
    )


def _sessions(
    db: Database, deny_list: DenyList, messages: Messages, settings: AuthSettings
) -> Sessions:
    return Sessions(
        SessionRepository(db),
        deny_list,
        settings.sessions,
        work=partial(unit_of_work, db),
        publish=Outbox(db).add,
        notify=messages.request,
        access_token_s=settings.signing.access_token_s + LEEWAY_S,
        cursor_key=settings.cursors.key,
    )


class _Accounts(NamedTuple):
    registration: Registration
    users: UserService
    administration: Administration
    accounts: Accounts


def _accounts(
    db: Database,
    redis: RedisConnection,
    messages: Messages,
    sessions: Sessions,
    settings: AuthSettings,
) -> _Accounts:
    repository = UserRepository()
    manager = UserManager(repository, Passwords(settings.passwords), CommonPasswords())
    cache = Cache(redis, namespace=NAMESPACE)
    profiles = Profiles(repository, cache, ttl_s=settings.users.profile_ttl_s)
    work, publish = partial(unit_of_work, db), Outbox(db).add
    registration = _registration(manager, db, messages, settings)
    users = UserService(
        manager,
        registration,
        profiles,
        work=work,
        publish=publish,
        verified_login=settings.users.verified_login,
    )
    administration = Administration(
        repository,
        registration,
        profiles,
        sessions,
        work=work,
        publish=publish,
        cursor_key=settings.cursors.key,
    )
    accounts = Accounts(manager, profiles, messages, sessions, work=work, publish=publish)
    return _Accounts(registration, users, administration, accounts)


def _registration(
    manager: UserManager, db: Database, messages: Messages, settings: AuthSettings
) -> Registration:
    return Registration(
        manager,
        work=partial(unit_of_work, db),
        publish=Outbox(db).add,
        notify=messages.request,
        keys=IdempotencyKeys(db),
        fingerprint_key=_fingerprint_key(settings.cursors.key),
        default_country=settings.users.default_country,
    )


def user_registration(db: Database, settings: AuthSettings) -> Registration:
    """Creates users on a database of this module, for operators."""
    manager = UserManager(UserRepository(), Passwords(settings.passwords), CommonPasswords())
    return _registration(manager, db, _messages(db, settings), settings)


def _fingerprint_key(secret: bytes) -> bytes:
    """A key of its own for the fingerprints of requests, out of the secret that signs cursors."""
    return hmac.digest(secret, b"auth: fingerprints of requests that hold passwords", "sha256")


MODULE = Module(
    name=NAME,
    summary="Users, and the tokens that tell the other modules who is asking",
    settings=AuthSettings,
    build=build,
    routes=("/v1/auth", "/v1/users", "/.well-known/jwks.json"),
    models=MODELS,
    publishes=(
        *(UserCreated, UserUpdated, UserDeleted),
        *(EmailVerified, PasswordChanged, MessageRequested),
        *(SessionStarted, SessionEnded, RefreshTokenReused),
    ),
    consumes=(SessionEnded,),
)
