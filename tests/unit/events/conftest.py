from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without this structlog, not configured, draws every traceback in colour: seconds each."""
    with capture_logs():
        yield
