"""Import rules: each violation, planted in a small tree, is found where it is."""

import pytest

from tests.check import dependencies, imports, without_drivers
from tests.unit.check.conftest import Plant

TREE = {
    "libs/context.py": "import os",
    "libs/db/client.py": "import tortoise\nfrom libs import context",
    "libs/documents/engine.py": "import motor",
    "services/registry.py": 'MODULES = ("auth", "api", "worker", "integrations")',
    "services/auth/module.py": "from services.auth.users import routes",
    "services/auth/users/errors.py": "",
    "services/auth/users/models.py": "import libs.db.client",
    "services/auth/users/repository.py": "from services.auth.users import models, errors",
    "services/auth/users/schemas.py": "from services.auth.users import models",
    "services/auth/users/service.py": "from services.auth.users import repository, schemas",
    "services/auth/users/routes.py": "from services.auth.users import service, schemas",
    "services/auth/users/handlers.py": "from services.auth.users import service",
    "services/api/module.py": "from services.api.catalog import service",
    "services/api/catalog/documents.py": "import odmantic, libs.documents.engine",
    "services/api/catalog/repository.py": "import motor, pymongo, services.api.catalog.documents",
    "services/api/catalog/service.py": "from services.api.catalog import repository",
    "services/worker/module.py": "",
    "services/integrations/module.py": "from services.integrations import rates",
    "services/integrations/rates.py": "import libs.context",
    "services/cli/main.py": "from services import registry",
    "services/cli/serve.py": "from services import registry",
    "services/cli/migrate.py": "import kubernetes, services.auth.module",
}

PLANTED = {
    "a library that knows a module": (
        {"libs/context.py": "import services.auth.module"},
        ("libs know no module", "libs.context -> services.auth.module (l.1)"),
    ),
    "a library that knows the command line": (
        {"libs/context.py": "import services.cli.main"},
        ("libs know no module", "libs.context -> services.cli.main (l.1)"),
    ),
    "a module that knows another": (
        {"services/worker/module.py": "\nfrom services.auth.users.models import User"},
        ("modules know no other", "services.worker.module -> services.auth.users.models (l.2)"),
    ),
    "a module that knows another by way of a function": (
        {"services/worker/module.py": "def work():\n    import services.auth.module"},
        ("modules know no other", "services.worker.module -> services.auth.module (l.2)"),
    ),
    "a module that knows the command line": (
        {"services/worker/module.py": "import services.cli.serve"},
        ("the command line is above", "services.worker.module -> services.cli.serve (l.1)"),
    ),
    "a module that knows which there are": (
        {"services/worker/module.py": "import services.registry"},
        ("the command line is above", "services.worker.module -> services.registry (l.1)"),
    ),
    "models that know the repository": (
        {
            "services/auth/users/repository.py": "",
            "services/auth/users/models.py": "import services.auth.users.repository",
        },
        (
            "arrows point down: models",
            "services.auth.users.models -> services.auth.users.repository",
        ),
    ),
    "documents that know the repository": (
        {
            "services/api/catalog/repository.py": "",
            "services/api/catalog/documents.py": "import services.api.catalog.repository",
        },
        ("arrows point down: documents", "services.api.catalog.documents -> "),
    ),
    "a repository that knows the service": (
        {
            "services/auth/users/service.py": "",
            "services/auth/users/repository.py": "import services.auth.users.service",
        },
        ("arrows point down: repository", "services.auth.users.repository -> "),
    ),
    "a repository that knows another domain's service": (
        {"services/auth/tokens/repository.py": "import services.auth.users.service"},
        ("arrows point down: repository", "services.auth.tokens.repository -> "),
    ),
    "a repository that knows the service by a detour": (
        {
            "services/auth/users/service.py": "",
            "services/auth/users/detour.py": "import services.auth.users.service",
            "services/auth/users/repository.py": "import services.auth.users.detour",
        },
        ("arrows point down: repository", "services.auth.users.detour -> "),
    ),
    "a service that knows the routes": (
        {
            "services/auth/users/routes.py": "",
            "services/auth/users/service.py": "import services.auth.users.routes",
        },
        ("arrows point down: service", "services.auth.users.service -> services.auth.users.routes"),
    ),
    "schemas that know the service": (
        {
            "services/auth/users/service.py": "",
            "services/auth/users/schemas.py": "import services.auth.users.service",
        },
        ("arrows point down: schemas", "services.auth.users.schemas -> "),
    ),
    "errors that know the models": (
        {"services/auth/users/errors.py": "import services.auth.users.models"},
        ("arrows point down: errors", "services.auth.users.errors -> "),
    ),
    "a driver where there is none": (
        {"services/integrations/rates.py": "import asyncpg"},
        ("integrations needs no driver", "services.integrations.rates -> asyncpg (l.1)"),
    ),
    "a driver by a detour": (
        {"libs/context.py": "import libs.documents.engine"},
        ("integrations needs no driver", "libs.context -> libs.documents.engine (l.1)"),
    ),
    "motor in a service": (
        {"services/api/catalog/service.py": "\n\nfrom motor import motor_asyncio"},
        ("motor is for repositories", "services.api.catalog.service imports it (line 3)"),
    ),
    "motor in a library": (
        {"libs/context.py": "import motor"},
        ("motor is for repositories", "libs.context imports it (line 1)"),
    ),
    "pymongo in a module's errors": (
        {"services/api/catalog/errors.py": "from pymongo.errors import DuplicateKeyError"},
        ("pymongo is for repositories", "services.api.catalog.errors imports it (line 1)"),
    ),
    "bson in a model": (
        {"services/api/catalog/documents.py": "from bson import Decimal128"},
        ("bson is for repositories", "services.api.catalog.documents imports it (line 1)"),
    ),
    "a document's model in a service": (
        {"services/api/catalog/service.py": "from odmantic import Model"},
        ("odmantic is for repositories", "services.api.catalog.service imports it (line 1)"),
    ),
    "kubernetes in a serving process": (
        {"services/cli/serve.py": "import services.cli.migrate"},
        ("kubernetes is for operators", "services.cli.migrate -> kubernetes (l.1)"),
    ),
    "packages in a cycle": (
        {"libs/context.py": "", "libs/db/client.py": "import libs.http.a", "libs/db/b.py": ""}
        | {"libs/http/a.py": "", "libs/http/c.py": "import libs.db.b"},
        ("packages have no cycles", "libs"),
    ),
    "files in a cycle": (
        {"libs/db/client.py": "import libs.db.other", "libs/db/other.py": "import libs.db.client"},
        ("files have no cycles", "libs.db.client → libs.db.other → libs.db.client"),
    ),
    "a package and a file of it in a cycle": (
        {"libs/db/__init__.py": "import libs.db.client", "libs/db/client.py": "import libs.db"},
        ("files have no cycles", "libs.db → libs.db.client → libs.db"),
    ),
}


def test_a_good_tree_is_good(plant: Plant) -> None:
    assert imports.check(plant(TREE)) == []


@pytest.mark.parametrize("violation", PLANTED)
def test_a_violation_is_found(plant: Plant, violation: str) -> None:
    changes, (rule, place) = PLANTED[violation]
    found = imports.check(plant({**TREE, **changes}))
    assert any(rule in line and place in line for line in found), found


def test_for_types_alone_everything_may_be_imported(plant: Plant) -> None:
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import services.auth.module"
    assert imports.check(plant({**TREE, "services/worker/module.py": types})) == []


def test_a_driver_is_missed_when_it_is_imported(plant: Plant) -> None:
    tree = {
        "services/integrations/module.py": "import libs.a",
        "services/cli/serve.py": "",
        "services/cli/host.py": "",
        "services/registry.py": "MODULES = ()",
        "libs/a.py": "",
    }
    assert without_drivers.check(plant(tree)) == []
    found = without_drivers.check(plant({**tree, "libs/a.py": "\nimport aiokafka"}))
    assert found == ["services.integrations.module: libs.a (line 2) needs aiokafka"]


class TestDependencies:
    """Dependency groups."""

    PYPROJECT = """
        [project]
        dependencies = ["fastapi"]
        [dependency-groups]
        database = ["tortoise-orm[asyncpg]"]
        auth = [{ include-group = "database" }]
        api = ["aiokafka"]
    """
    TREE = {
        "pyproject.toml": PYPROJECT.replace("        ", ""),
        "services/registry.py": 'MODULES = ("auth", "api")',
        "services/auth/module.py": "import starlette, services.auth.users, os",
        "services/auth/users.py": "import libs.db",
        "services/api/module.py": "import aiokafka, pydantic",
        "services/cli/serve.py": "",
        "libs/db.py": "import tortoise, asyncpg",
    }

    def test_what_is_declared_is_there_with_what_it_needs(self, plant: Plant) -> None:
        assert dependencies.check(plant(self.TREE)) == []

    @pytest.mark.parametrize(
        ("path", "text", "expected"),
        [
            (
                "services/api/module.py",
                "import libs.db",
                "api has nothing for asyncpg, which libs.db",
            ),
            ("services/auth/users.py", "import redis", "auth has nothing for redis"),
            ("services/auth/more.py", "import redis", "which services.auth.more imports"),
            ("services/auth/users.py", "import nobody_has_this", "nothing for nobody_has_this"),
            ("services/cli/serve.py", "import redis", "api has nothing for redis"),
        ],
    )
    def test_what_is_not_is_told(self, plant: Plant, path: str, text: str, expected: str) -> None:
        found = dependencies.check(plant({**self.TREE, path: text}))
        assert any(expected in line for line in found), found
