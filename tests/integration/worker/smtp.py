"""A small SMTP server (RFC 5321) that keeps what it is given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class SmtpServer:
    """The server.

    Attributes:
        port: where it listens.
        refuses: its answer to a recipient; None: it takes every one.
        delivered: the messages.
    """

    port: int = 0
    refuses: str | None = None
    delivered: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 smtp.test ready\r\n")
        while line := await reader.readline():
            command = line.strip().upper().split(b" ")[0]
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.delivered.append(content[:-3])
            elif command == b"RCPT" and self.refuses is not None:
                writer.write(self.refuses.encode() + b"\r\n")
                continue
            elif command == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            writer.write(b"250 ok\r\n")
        writer.close()


@asynccontextmanager
async def smtp_server() -> AsyncIterator[SmtpServer]:
    """One that runs."""
    server = SmtpServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
