"""The guard against sockets guards."""

import asyncio
import socket

import pytest

from tests.unit.conftest import SocketOpened


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_no_internet_socket_is_opened(family: socket.AddressFamily) -> None:
    with socket.socket(family) as one:
        with pytest.raises(SocketOpened):
            one.connect(("localhost", 9))
        with pytest.raises(SocketOpened):
            one.connect_ex(("localhost", 9))
        with pytest.raises(SocketOpened):
            one.bind(("localhost", 0))
        with pytest.raises(SocketOpened):
            one.listen()


async def test_asyncio_opens_none_either() -> None:
    with pytest.raises(SocketOpened):
        await asyncio.open_connection("127.0.0.1", 9)


def test_the_pair_of_an_event_loop_works() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        assert other.recv(5) == b"hello"
