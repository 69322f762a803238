"""The clients of third parties, and the reading of what these answer."""

import json
from decimal import Decimal
from typing import TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter

from libs.errors import Unavailable
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings
from libs.logging import get_logger

log = get_logger()

T = TypeVar("T")


class ThirdParties:
    """The HTTP clients of a process for third parties; closed with it."""

    def __init__(self) -> None:
        self._clients: list[HttpClient] = []

    def add(self, name: str, url: str, bounds: HttpClientSettings) -> HttpClient:
        """A client for the third party `name`."""
        client = HttpClient(name, url, bounds)
        self._clients.append(client)
        return client

    async def open(self) -> None:
        """Nothing to do: connections are made when they are needed."""

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.close()


class Foreign(BaseModel):
    """A part of a third party's answer. What we do not know of it is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def read(response: httpx.Response, shape: TypeAdapter[T], *, client: str) -> T | None:
    """What a third party answered; None if it says that there is no such thing (404).

    Numbers become `Decimal`, never `float`: a rate of 1.0868 is exactly that.

    Raises:
        Unavailable: the answer is of no use.
    """
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if response.status_code != httpx.codes.OK:
        raise useless(client, f"status {response.status_code}")
    try:
        body = json.loads(response.content, parse_float=Decimal, parse_int=Decimal)
        return shape.validate_python(body)
    except (ValueError, RecursionError) as error:
        # Without the text of the error: it quotes the answer.
        raise useless(client, type(error).__name__) from error


def useless(client: str, reason: str) -> Unavailable:
    """The error for an answer that cannot be used; it is logged here."""
    log.warning("third_party.useless", client=client, reason=reason)
    return Unavailable(f"{client} answered something that cannot be used")
