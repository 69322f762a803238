"""Tokens that need no key."""

from libs.auth.principal import Principal
from libs.errors import Unauthenticated


class FakeVerifier:
    """Takes a token for the name of a role."""

    async def verify(self, token: str) -> Principal:
        if token == "nonsense":
            raise Unauthenticated("The access token is not valid")
        return Principal(subject="somebody", roles=(token,))

    def known(self, token: str) -> Principal | None:  # noqa: ARG002 (the verifier's)
        """Nothing is remembered."""
        return None
