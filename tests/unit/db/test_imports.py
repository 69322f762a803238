import subprocess
import sys

import pytest


def imported_by(module: str) -> set[str]:
    script = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True).split())


def test_settings_cost_no_driver() -> None:
    assert not {"tortoise", "asyncpg"} & imported_by("libs.db.settings")


@pytest.mark.parametrize("module", ["database", "unit_of_work", "models"])
def test_serving_imports_nothing_that_only_operators_need(module: str) -> None:
    imported = imported_by(f"libs.db.{module}")
    assert "tortoise" in imported
    assert not {"aerich", "asyncclick", "libs.db.migrate", "libs.db.bootstrap"} & imported
