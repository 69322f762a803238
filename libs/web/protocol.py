"""HTTP/1.1 on the wire: uvicorn's, with a limit for heads, and with problems for what is no HTTP.

Neither uvicorn nor httptools has a limit: a header, or a trailer, that never ends would be kept
until the memory is full. The application never sees such a request, so its answer is made here.
"""

from dataclasses import replace
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.context import CONTEXT_ID_HEADER, current, new_context_id, use
from libs.errors import AppError
from libs.logging import get_logger
from libs.web.errors import HeadTooLarge, MalformedRequest
from libs.web.layer import API_POLICY, NO_STORE, SECURITY_HEADERS
from libs.web.problems import problem

log = get_logger()

MAX_HEAD_BYTES: Final = 65_536


class Protocol(HttpToolsProtocol):
    """A connection."""

    _head_is_complete = False
    _came_on = False
    _kept_bytes = 0
    """Since something was complete: a head, or a part of a body. The parser keeps them."""

    def data_received(self, data: bytes) -> None:
        self._came_on = False
        super().data_received(data)
        self._kept_bytes = 0 if self._came_on else self._kept_bytes + len(data)
        if self._kept_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_is_complete, self._came_on = False, True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_is_complete:  # a trailer after the body is no header (RFC 9110, 6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_complete = self._came_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._came_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_is_complete, self._came_on = False, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest(msg))

    def _refuse(self, error: AppError) -> None:
        if self._is_answered():
            self.transport.close()  # there is no place for another answer
            return
        with use(replace(current(), context_id=new_context_id())):
            response = problem(error, instance="")
            log.warning("request.refused", code=error.code, status=response.status_code)
            context_id = current().context_id.encode()
        own = [(CONTEXT_ID_HEADER.encode(), context_id), (b"connection", b"close")]
        headers = [*response.raw_headers, *SECURITY_HEADERS, API_POLICY, NO_STORE, *own]
        lines = [b"%s: %s\r\n" % header for header in headers]
        status = STATUS_LINE[response.status_code]
        self.transport.write(b"".join([status, *lines, b"\r\n", bytes(response.body)]))
        self.transport.close()

    def _is_answered(self) -> bool:
        """Whether an answer is on its way, or has been given, to what is being received."""
        cycle = self.cycle
        if cycle is None or not cycle.response_started:
            return False
        return self._head_is_complete or not cycle.response_complete
