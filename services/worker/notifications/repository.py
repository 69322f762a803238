"""The table of notifications."""

from uuid import UUID

from libs.context import current
from services.worker.notifications.models import Kind, Notification, Status


class NotificationRepository:
    """Keeps notifications."""

    async def add(
        self,
        *,
        user_id: UUID,
        kind: Kind,
        subject: str,
        body: str = "",
        status: Status = Status.STORED,
    ) -> UUID:
        """Store a notification under the context at hand; returns its id."""
        stored = await Notification.create(
            user_id=user_id,
            kind=kind,
            subject=subject,
            body=body,
            status=status,
            context_id=current().context_id,
        )
        return stored.id
