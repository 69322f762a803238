"""PostgreSQL for modules: life cycle, unit of work, query log, base models.

What only operators and tests need is not imported here: `libs.db.bootstrap`, `libs.db.migrate`,
`libs.db.drift`.
"""

from libs.db.client import Isolation
from libs.db.database import Database, Databases
from libs.db.errors import constraint
from libs.db.models import Record
from libs.db.settings import DatabaseSettings
from libs.db.unit_of_work import (
    UnitOfWork,
    current_unit_of_work,
    forbid_unit_of_work,
    in_unit_of_work,
    unit_of_work,
)

__all__ = [
    "Database",
    "DatabaseSettings",
    "Databases",
    "Isolation",
    "Record",
    "UnitOfWork",
    "constraint",
    "current_unit_of_work",
    "forbid_unit_of_work",
    "in_unit_of_work",
    "unit_of_work",
]
