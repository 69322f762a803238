"""What tests of `auth` build."""

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.auth.settings import TokenSettings
from libs.events.event import Event
from services.auth.settings import PasswordSettings, ServiceClients
from services.auth.tokens.issuer import TokenIssuer
from services.auth.tokens.keys import SigningKeys
from services.auth.tokens.service import TokenService
from services.auth.users.manager import UserManager
from services.auth.users.passwords import Passwords
from services.auth.users.repository import MemoryUserRepository
from services.auth.users.schemas import NewUser
from services.auth.users.service import UserService

CHEAP = PasswordSettings(memory_kib=64, iterations=1, parallelism=1, concurrency=2)
PASSWORD = "correct horse"
KEY_VARIABLE = "THROUGHLINE_AUTH_SIGNING_KEY_FILE"


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


async def opened_keys(folder: Path, content: bytes | None = None) -> SigningKeys:
    """Signing keys, from a file in `folder`."""
    file = folder / "signing.pem"
    file.write_bytes(content or new_pem())
    keys = SigningKeys()
    keys.configure(file, variable=KEY_VARIABLE)
    await keys.open()
    return keys


def service_clients(clients: dict[str, str]) -> ServiceClients:
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


@dataclass
class UserWorld:
    """The use cases of users over fakes.

    Attributes:
        steps: what happened, in order.
    """

    settings: PasswordSettings = CHEAP
    repository: MemoryUserRepository = field(default_factory=MemoryUserRepository)
    events: list[Event] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.passwords = CountingPasswords(self.settings)
        self.users = UserService(
            UserManager(self.repository, self.passwords),
            work=self._work,
            publish=self._publish,
            default_country="DE",
        )

    def _work(self) -> AbstractAsyncContextManager[object]:
        return _FakeWork(self.steps, self.passwords)

    async def _publish(self, event: Event) -> None:
        self.steps.append("publish")
        self.events.append(event)

    def tokens(self, keys: SigningKeys, clients: dict[str, str] | None = None) -> TokenService:
        """The use cases of tokens, over these users."""
        issuer = TokenIssuer(keys, TokenSettings.model_validate({}), lifetime_s=600)
        return TokenService(self.users, issuer, keys, clients or {})


class _FakeWork:
    """A unit of work that takes notes, and of no hash that is computed in it."""

    def __init__(self, steps: list[str], passwords: CountingPasswords) -> None:
        self._steps = steps
        self._passwords = passwords

    async def __aenter__(self) -> None:
        self._steps.append("open")
        self._hashed = len(self._passwords.calls)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert len(self._passwords.calls) == self._hashed, "a hash inside the transaction"
        self._steps.append("roll back" if error else "commit")
