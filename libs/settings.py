"""What every process is given, whichever modules it hosts."""

from libs.auth.settings import TokenSettings
from libs.config import ProcessSettings
from libs.http.settings import HttpClientSettings


class HostSettings(ProcessSettings):
    """The groups of a process."""

    tokens: TokenSettings
    http: HttpClientSettings
