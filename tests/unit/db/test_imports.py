import subprocess
import sys


def test_serving_imports_nothing_that_only_operators_need() -> None:
    script = "import sys, libs.db; print(*sys.modules)"
    imported = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert "tortoise" in imported
    assert not {"aerich", "asyncclick", "libs.db.migrate", "libs.db.bootstrap"} & set(imported)
