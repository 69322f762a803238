"""The base of every event contract."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Event(BaseModel):
    """Something that has happened, as other modules are told of it.

        class OrderPlaced(OrderEvent):
            topic = "orders"
            order_id: UUID
            def key(self) -> str: return str(self.order_id)

    JSON is in camelCase. Fields that a reader does not know are ignored: a newer version may add
    some. What may not happen within a version is that a field goes, or changes its meaning.

    Attributes:
        type: the name in the envelope; the class name unless set.
        topic: the topic without the broker's prefix. Order holds for one key within one topic.
        version: of the schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    type: ClassVar[str]
    topic: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" not in cls.__dict__:
            cls.type = cls.__name__

    @abstractmethod
    def key(self) -> str:
        """The id of the aggregate: events of one key stay in order."""

    def to_json(self) -> bytes:
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The event in `data`.

        Raises:
            pydantic.ValidationError: it is not one.
        """
        return cls.model_validate_json(data)
