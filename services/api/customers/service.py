"""Keeping customers like the users that they are."""

from typing import Protocol
from uuid import UUID

from libs.logging import get_logger

log = get_logger()


class CustomerStore(Protocol):
    """What the service needs of `repository.CustomerRepository`."""

    async def upsert(self, user_id: UUID, *, name: str, country: str, revision: int) -> bool: ...
    async def delete(self, user_id: UUID, *, revision: int) -> bool: ...


class Customers:
    """The replica of the users. What is older than what is known changes nothing."""

    def __init__(self, customers: CustomerStore) -> None:
        self._customers = customers

    async def take_over(self, user_id: UUID, *, name: str, country: str, revision: int) -> None:
        """A user is in this state."""
        new = await self._customers.upsert(user_id, name=name, country=country, revision=revision)
        if not new:
            log.info("customer.unchanged", customerId=str(user_id), revision=revision)

    async def delete(self, user_id: UUID, *, revision: int) -> None:
        """A user is no more."""
        if not await self._customers.delete(user_id, revision=revision):
            log.info("customer.unchanged", customerId=str(user_id), revision=revision)
