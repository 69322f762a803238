"""No reference from one module's tables to another's: neither in models nor in migrations.

Import rules do not see a foreign key that is written as text ("auth.User").
"""

import importlib
import re
from collections.abc import Iterator, Sequence

from tortoise import Model

from services import registry
from tests.check.project import Project

_REFERENCE = re.compile(
    r"""\b(?:references|join|from|into|update|alter\s+table|create\s+table)\s+"""
    r"""(?:if\s+not\s+exists\s+)?"?(?P<schema>\w+)"?\.""",
    re.IGNORECASE,
)


def check(project: Project) -> list[str]:
    """References that leave their module."""
    found = [
        violation
        for module in registry.load(registry.MODULES)
        for violation in models(module.name, module.models)
    ]
    return [*found, *migrations(project, registry.MODULES)]


def models(name: str, sources: Sequence[str]) -> Iterator[str]:
    """The relations of a module's models whose target is another's.

    Args:
        name: the module.
        sources: the Python modules that hold its models.
    """
    loaded = [importlib.import_module(source) for source in sources]
    every = [value for source in loaded for value in vars(source).values()]
    own = [m for m in every if isinstance(m, type) and issubclass(m, Model) and m is not Model]
    for model in (m for m in own if m.__module__ in sources):
        meta = model._meta
        for field in sorted(meta.fk_fields | meta.o2o_fields | meta.m2m_fields):
            target = getattr(meta.fields_map[field], "model_name", None)
            place = f"{model.__module__}.{model.__name__}.{field}"
            if isinstance(target, str):
                if target.partition(".")[0] != name:
                    yield f"{place} refers to {target}, which is not {name}'s"
            elif isinstance(target, type) and target not in own:
                yield f"{place} refers to {target.__module__}.{target.__name__}, not {name}'s"


def migrations(project: Project, names: Sequence[str]) -> Iterator[str]:
    """The places where a module's migration names another's schema."""
    for path in project.python("services"):
        if len(path.parts) == 4 and path.parts[2] == "migrations":
            for number, line in enumerate(project.text(path).splitlines(), 1):
                for match in _REFERENCE.finditer(line):
                    if match["schema"] in set(names) - {path.parts[1]}:
                        yield f"{path}:{number}: names the schema {match['schema']}"
