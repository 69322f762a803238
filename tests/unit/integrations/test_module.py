"""The declaration."""

import subprocess
import sys

from libs.config import load, variables
from libs.module import Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from libs.web.app import api_routes
from services.integrations.module import MODULE

WITHOUT = ("tortoise", "asyncpg", "aerich", "aiokafka", "motor", "odmantic", "pymongo", "graphene")


def test_it_loads_without_the_libraries_of_other_modules() -> None:
    hidden = "; ".join(f"sys.modules[{name!r}] = None" for name in WITHOUT)
    program = f"import sys; {hidden}; import services.integrations.module, libs.runtime"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_it_is_built_without_a_server() -> None:
    environ = {
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_AUTH_URL": "http://auth.test",
        "THROUGHLINE_REDIS_URL": "redis://redis.test",
    }
    settings = load(environ, HostSettings, [MODULE])
    wired = Runtime(Registry((MODULE,)), settings, version="0.1.0").wired["integrations"]
    paths = {route.path for router in wired.routers for route in api_routes(router.routes)}
    assert paths == set(MODULE.routes)
    assert {check.name: check.critical for check in wired.checks} == {"redis": False}
    assert wired.tasks == ()


def test_its_own_variables() -> None:
    own = [name for name in variables(HostSettings, [MODULE]) if "_INTEGRATIONS_" in name]
    assert own == [
        "THROUGHLINE_INTEGRATIONS_EXCHANGE_RATES_URL",
        "THROUGHLINE_INTEGRATIONS_HOLIDAYS_URL",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_ATTEMPTS",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_DEADLINE_S",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_TIMEOUT_S",
    ]
