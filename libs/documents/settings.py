"""Where MongoDB is."""

from typing import ClassVar

from pydantic import Field, SecretStr

from libs.config import Group


class DocumentsSettings(Group):
    """The MongoDB that holds documents."""

    prefix: ClassVar[str] = "MONGO"

    url: SecretStr = Field(description="mongodb:// or mongodb+srv://, with user and password")
    database: str = Field("throughline", min_length=1, description="the database's name")
    timeout_ms: int = Field(
        2000, ge=1, description="the longest an operation may take, in milliseconds"
    )
    slow_ms: float = Field(
        200, ge=0, description="a command that takes longer is logged as a warning, in milliseconds"
    )
