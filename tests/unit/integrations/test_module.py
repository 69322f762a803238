"""The declaration."""

import subprocess
import sys

from libs.config import ProcessSettings, variables
from services.integrations.module import MODULE

WITHOUT = ("tortoise", "asyncpg", "aerich", "aiokafka", "motor", "odmantic", "pymongo", "graphene")


def test_it_loads_without_the_libraries_of_other_modules() -> None:
    hidden = "; ".join(f"sys.modules[{name!r}] = None" for name in WITHOUT)
    program = f"import sys; {hidden}; import services.integrations.module, libs.runtime"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_its_own_variables() -> None:
    own = [name for name in variables(ProcessSettings, [MODULE]) if "_INTEGRATIONS_" in name]
    assert own == [
        "THROUGHLINE_INTEGRATIONS_EXCHANGE_RATES_URL",
        "THROUGHLINE_INTEGRATIONS_HOLIDAYS_URL",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_ATTEMPTS",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_DEADLINE_S",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_TIMEOUT_S",
    ]
