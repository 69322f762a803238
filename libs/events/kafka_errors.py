"""The one place where the Kafka client's errors become ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError

from libs.errors import Unavailable


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """Turns the client's errors into `Unavailable`; `what` begins its text."""
    try:
        yield
    except (KafkaError, ConsumerStoppedError, OSError) as error:
        raise Unavailable(f"{what}: {type(error).__name__}", retry_after=1.0) from error
