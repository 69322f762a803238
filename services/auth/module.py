"""The module `auth`: users, and the tokens that tell the others who is asking."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from libs.config import variable
from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.db.database import Databases
from libs.db.unit_of_work import unit_of_work
from libs.events.kafka import KafkaBus
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.module import Check, Host, Module, Wired
from services.auth.seed import seed
from services.auth.settings import AuthSettings, SigningSettings
from services.auth.tokens.issuer import TokenIssuer
from services.auth.tokens.keys import SigningKeys
from services.auth.tokens.routes import routes as token_routes
from services.auth.tokens.service import TokenService
from services.auth.users.manager import UserManager
from services.auth.users.passwords import Passwords
from services.auth.users.repository import UserRepository
from services.auth.users.routes import routes as user_routes
from services.auth.users.service import UserService

NAME = "auth"


def build(host: Host, settings: AuthSettings) -> Wired:
    """The composition root."""
    db = host.share(Databases).add(NAME, settings.database, MODULE.models)
    bus = host.share(KafkaBus)
    bus.configure(settings.events)
    keys = host.share(SigningKeys)
    keys.configure(
        settings.signing.key_file, variable=variable(SigningSettings, "key_file", module=NAME)
    )
    relay = Relay(OutboxQueue(db), bus, settings.relay)
    users = UserService(
        UserManager(UserRepository(), Passwords(settings.passwords)),
        work=partial(unit_of_work, db),
        publish=Outbox(db).add,
        default_country=settings.users.default_country,
    )
    issuer = TokenIssuer(keys, settings.tokens, lifetime_s=settings.signing.access_token_s)
    tokens = TokenService(users, issuer, keys, settings.service.clients)

    async def seed_accounts(data: Mapping[str, Any]) -> None:
        await seed(users, data.get("accounts", {}))

    return Wired(
        routers=(user_routes(users), token_routes(tokens)),
        tasks=(relay,),
        checks=(
            Check(name="auth.database", probe=db.ping, critical=True),
            Check(name=relay.name, probe=relay.check, critical=False),
        ),
        seed=seed_accounts,
    )


MODULE = Module(
    name=NAME,
    summary="Users, and the tokens that tell the other modules who is asking",
    settings=AuthSettings,
    build=build,
    routes=("/v1/auth", "/v1/users", "/.well-known/jwks.json"),
    models=("services.auth.users.models",),
    publishes=(UserCreated, UserUpdated, UserDeleted),
)
