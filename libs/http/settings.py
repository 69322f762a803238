"""How patient an outbound client is."""

from typing import ClassVar

from pydantic import Field

from libs.config import Group


class HttpClientSettings(Group):
    """The bounds of calls to other modules and to third parties."""

    prefix: ClassVar[str] = "HTTP"

    timeout_s: float = Field(2.0, gt=0, description="the longest one attempt may wait, in seconds")
    deadline_s: float = Field(
        5.0, gt=0, description="the longest a call may take with all its attempts, in seconds"
    )
    attempts: int = Field(3, ge=1, description="how often an idempotent call is tried")
    backoff_s: float = Field(
        0.05, ge=0, description="the pause before the second attempt, at most; doubles each time"
    )
    breaker_failures: int = Field(
        5, ge=1, description="consecutive failures after which calls are refused"
    )
    breaker_reset_s: float = Field(
        10.0, gt=0, description="how long calls are refused before one is let through, in seconds"
    )
    max_concurrency: int = Field(
        50, ge=1, description="calls to one peer at a time; more are refused"
    )
