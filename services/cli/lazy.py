"""Loading what is needed when it is needed."""

import importlib
from typing import Any


def load(source: str) -> Any:
    """The attribute that `source` names, as "module:attribute"; imports the module."""
    module, _, attribute = source.partition(":")
    return getattr(importlib.import_module(module), attribute)
