"""What lines cost: the catalogue's prices of today."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from libs.errors import AppError, FieldError
from services.api.catalog.service import Offer
from services.api.orders.errors import CurrencyMismatch, UnknownService
from services.api.orders.repository import Line
from services.api.orders.schemas import LineWanted


class Offers(Protocol):
    """What is needed of `catalog.service.Catalog`."""

    async def offers(self, service_ids: Iterable[UUID]) -> Mapping[UUID, Offer]: ...


async def priced(catalog: Offers, wanted: Sequence[LineWanted], currency: str) -> list[Line]:
    """The lines of an order in `currency`. Asks the catalogue, so never in a unit of work.

    Raises:
        UnknownService, CurrencyMismatch: with every line that is wrong.
        Unavailable: the catalogue does not answer.
    """
    offers = await catalog.offers(line.service_id for line in wanted)
    found = [offers.get(line.service_id) for line in wanted]
    _refuse(UnknownService, [offer is None or not offer.active for offer in found])
    known = [offer for offer in found if offer is not None]
    _refuse(CurrencyMismatch, [offer.currency != currency for offer in known])
    return [_line(line, offer) for line, offer in zip(wanted, known, strict=True)]


def total(lines: Sequence[Line]) -> Decimal:
    """What they cost together."""
    return sum((line.amount for line in lines), Decimal(0))


def _refuse(error: type[AppError], wrong: Sequence[bool]) -> None:
    """Raise `error` if any line is wrong, pointing at those that are."""
    if any(wrong):
        numbers = (number for number, is_wrong in enumerate(wrong) if is_wrong)
        pointers = (f"/lines/{number}/serviceId" for number in numbers)
        raise error(errors=[FieldError(place, error.code, error.title) for place in pointers])


def _line(wanted: LineWanted, offer: Offer) -> Line:
    return Line(
        service_id=str(wanted.service_id),
        name=offer.name,
        quantity=wanted.quantity,
        unit_price=offer.price,
        amount=offer.price * wanted.quantity,
    )
