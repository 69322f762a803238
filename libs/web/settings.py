"""What lists are given."""

from typing import ClassVar

from pydantic import Field, SecretStr

from libs.config import Group


class CursorSettings(Group):
    """What cursors are signed with."""

    prefix: ClassVar[str] = "CURSOR"

    secret: SecretStr = Field(
        min_length=16,
        description="signs the cursors of lists; the same for all processes",
    )

    @property
    def key(self) -> bytes:
        """The secret, for `libs.web.pagination.Cursors`."""
        return self.secret.get_secret_value().encode()
