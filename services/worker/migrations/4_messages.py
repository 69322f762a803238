"""Notifications of the messages that were sent for `auth`."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    # Every row satisfies the checks that are dropped: to look at them again is for nothing.
    return """
ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_kind_check CHECK (kind IN (
    'order_confirmed', 'order_cancelled', 'verify_email', 'reset_password', 'email_in_use',
    'password_changed', 'session_compromised')) NOT VALID;
ALTER TABLE notifications DROP CONSTRAINT notifications_status_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_status_check
    CHECK (status IN ('stored', 'sent')) NOT VALID;
"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return """
DELETE FROM notifications WHERE status = 'sent';
ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_kind_check
    CHECK (kind IN ('order_confirmed', 'order_cancelled')) NOT VALID;
ALTER TABLE notifications DROP CONSTRAINT notifications_status_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_status_check
    CHECK (status IN ('stored')) NOT VALID;
"""
