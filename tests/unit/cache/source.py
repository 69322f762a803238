"""What is behind the cache."""

import asyncio


class Source:
    """Gives `value`, or raises `error`, once `gate` is open, if there is one.

    Attributes:
        loads: how often it was asked.
    """

    def __init__(self, value: bytes | None = b"v1", *, gated: bool = False) -> None:
        self.value = value
        self.error: Exception | None = None
        self.loads = 0
        self.gate = asyncio.Event()
        if not gated:
            self.gate.set()

    async def __call__(self) -> bytes | None:
        self.loads += 1
        value = self.value
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return value
