"""The servers of the embedded profile as child processes: no Docker, nothing to install."""

from libs.embedded.local_secrets import Secrets
from libs.embedded.mongo_environment import prepare as prepare_mongo
from libs.embedded.process import EmbeddedError
from libs.embedded.profile import EmbeddedProfile

__all__ = ["EmbeddedError", "EmbeddedProfile", "Secrets", "prepare_mongo"]
