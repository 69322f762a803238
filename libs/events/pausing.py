"""Pausing a consumer group: it stays in its group and handles nothing.

Every process that hosts the group looks before it takes events, once a second while they keep
coming; so a pause holds within about a second. What is being handled at that moment is finished.
"""

from libs.context import current
from libs.db.database import Database
from libs.logging import get_logger

log = get_logger()

_PAUSED = "/* consumer.is_paused */ SELECT 1 FROM consumer_pauses WHERE consumer_group = $1"

_PAUSE = """/* consumer.pause */
INSERT INTO consumer_pauses (consumer_group, reason, paused_by) VALUES ($1, $2, $3)
ON CONFLICT (consumer_group) DO NOTHING"""

_RESUME = "/* consumer.resume */ DELETE FROM consumer_pauses WHERE consumer_group = $1"


async def is_paused(db: Database, group: str) -> bool:
    """Whether `group`, of the module that owns `db`, is paused."""
    return bool(await db.rows(_PAUSED, group))


async def pause_group(db: Database, group: str, reason: str) -> bool:
    """Pause it; False if it is paused already."""
    changed = bool(await db.execute(_PAUSE, group, reason, current().actor))
    log.info("consumer.pause_wanted", group=group, reason=reason, changed=changed)
    return changed


async def resume_group(db: Database, group: str) -> bool:
    """Let it go on; False if it was not paused."""
    changed = bool(await db.execute(_RESUME, group))
    log.info("consumer.resume_wanted", group=group, changed=changed)
    return changed
