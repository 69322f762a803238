"""What every process is given, whichever modules it hosts."""

from libs.auth.settings import TokenSettings
from libs.config import ProcessSettings
from libs.http.settings import HttpClientSettings
from libs.limits.settings import LimitSettings


class HostSettings(ProcessSettings):
    """The groups of a process."""

    tokens: TokenSettings
    http: HttpClientSettings
    limits: LimitSettings
