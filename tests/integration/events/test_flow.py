"""From a committed transaction to an effect in another module."""

from libs.events.bus import Bus
from tests.integration.events.conftest import Modules
from tests.integration.events.flow import (
    Noted,
    consumer_of,
    effects,
    has_effects,
    publish,
    relay_of,
    running,
    until,
)


async def test_committed_event_is_consumed_once(modules: Modules, bus: Bus) -> None:
    async with running(relay_of(modules.sender, bus)), running(consumer_of(modules.receiver, bus)):
        await publish(modules.sender, *(Noted(note_id="n", text=str(n)) for n in range(5)))
        await until(has_effects(modules.receiver, *"01234"), "five effects")
    assert await effects(modules.receiver) == list("01234")
