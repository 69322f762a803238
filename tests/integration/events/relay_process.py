"""A process that relays one outbox to nowhere: `python -m tests.integration.events.relay_process`.

It takes the database's URL and the schema's name, and says "active" when it has the claim.
"""

import asyncio
import sys

from pydantic import SecretStr

from libs.db.database import Databases
from libs.db.settings import DatabaseSettings
from libs.events.memory import MemoryBus
from libs.events.outbox import OutboxQueue
from libs.events.relay import Relay
from tests.waiting import until


async def main(url: str, schema: str) -> None:
    databases = Databases()
    db = databases.add(schema, DatabaseSettings(url=SecretStr(url), pool_min=0), ())
    await databases.open()
    relay = Relay(OutboxQueue(db), MemoryBus())
    running = asyncio.create_task(relay.run())
    await until(lambda: relay.status.active)
    sys.stdout.write("active\n")
    sys.stdout.flush()
    await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
