"""A producer that can be given up.

An idempotent producer repeats what is not acknowledged for ever, and its `stop` waits for that.
"""

import asyncio
from contextlib import suppress

from aiokafka import AIOKafkaProducer

from libs.events.settings import EventSettings

METADATA_MAX_AGE_MS = 30_000
MAX_BATCH_BYTES = 256 * 1024
PATIENCE_S = 1.0


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's, as we want it: acknowledged by all copies that are in sync, idempotent."""

    def __init__(self, settings: EventSettings) -> None:
        super().__init__(
            bootstrap_servers=settings.bootstrap_servers,
            acks="all",
            enable_idempotence=settings.enable_idempotence,
            request_timeout_ms=settings.request_timeout_ms,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            max_batch_size=MAX_BATCH_BYTES,
        )

    async def close(self, patience_s: float) -> None:
        """Stop once everything is sent, or after `patience_s` give up what is not."""
        stopping = asyncio.create_task(self.stop())
        done, _ = await asyncio.wait({stopping}, timeout=patience_s)
        if done:
            stopping.result()
        else:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            await self.abandon()

    async def abandon(self) -> None:
        """Stop without sending what was not sent. Whoever waits for it waits in vain."""
        self._closed = True
        closing = asyncio.create_task(self._end_sender())
        await self.client.close()  # which ends the requests in flight
        _, late = await asyncio.wait({closing}, timeout=PATIENCE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(closing, return_exceptions=True)

    async def _end_sender(self) -> None:
        if self._sender is not None:
            with suppress(Exception):  # it is over, whatever it says
                await self._sender.close()
