"""What the clients of other modules need to show who is calling."""

from typing import Protocol


class Tokens(Protocol):
    """Gives the access token of the caller's own service account: `libs.auth.ServiceTokens`."""

    async def get(self) -> str: ...
    def forget(self) -> None: ...
