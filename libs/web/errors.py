"""What is wrong with a request that never becomes one."""

from libs.errors import InvalidInput, MalformedBody


class MalformedRequest(MalformedBody):
    code = "malformed_request"
    title = "The request is not valid HTTP"


class HeadTooLarge(InvalidInput):
    code = "head_too_large"
    title = "The address and the headers are too long"
