"""The settings of the real modules."""

import pytest

from libs.config import variables
from libs.settings import HostSettings
from services import registry


def test_each_variable_is_explained() -> None:
    read = variables(HostSettings, registry.load(registry.MODULES))
    assert [name for name, info in read.items() if not info.description] == []


@pytest.mark.parametrize("name", registry.MODULES)
def test_a_module_reads_nothing_that_another_excuses(name: str) -> None:
    """What starts with a module's name is that module's: others would not notice a typing error."""
    module = registry.load([name])
    beginnings = tuple(f"THROUGHLINE_{n.upper()}_" for n in registry.MODULES if n != name)
    assert [v for v in variables(HostSettings, module) if v.startswith(beginnings)] == []
