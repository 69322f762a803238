"""The declaration, held against what is built."""

from libs.config import load, variables
from libs.db.database import Databases
from libs.errors import catalogue
from libs.events.outbox import Outbox
from libs.module import Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from libs.web.app import api_routes
from services.worker.assessments.service import Assessments
from services.worker.audit.repository import AuditRepository
from services.worker.audit.routes import PATH
from services.worker.audit.service import Audit
from services.worker.module import MODELS, MODULE, NAME, handlers
from services.worker.notifications.channels import MemoryChannel
from services.worker.notifications.repository import NotificationRepository
from services.worker.notifications.service import Messages
from tests.unit.worker.environ import ENVIRON, settings
from tests.unit.worker.fakes import FakeMessages, FakeReference


def test_every_event_that_is_consumed_is_declared() -> None:
    database = Databases().add(NAME, settings().database, MODELS)
    assessments = Assessments(FakeReference(), reporting_currency="USD")
    audit = Audit(AuditRepository(), cursor_key=b"key")
    messages = Messages(FakeMessages(), MemoryChannel(), NotificationRepository())
    handled = handlers(audit, assessments, messages, Outbox(database))
    assert {handler.event for handler in handled} == set(MODULE.consumes)


def test_it_is_built_without_a_server() -> None:
    runtime = Runtime(Registry((MODULE,)), load(ENVIRON, HostSettings, [MODULE]), version="0.1.0")
    wired = runtime.wired[NAME]
    names = [task.name for task in wired.tasks]
    assert names == ["worker.relay", "worker.consumer", "worker.event_cleaner"]
    assert {check.name: check.critical for check in wired.checks} == {
        "worker.database": True,
        "worker.relay": False,
        "worker.consumer": False,
    }
    assert {route.path for router in wired.routers for route in api_routes(router.routes)} == {PATH}


def test_its_own_variables() -> None:
    names = variables(HostSettings, [MODULE])
    assert "THROUGHLINE_WORKER_CLIENT_SECRET" in names
    assert "THROUGHLINE_WORKER_ASSESSMENT_REPORTING_CURRENCY" in names
    assert "THROUGHLINE_WORKER_DATABASE_URL" in names


def test_its_errors_are_in_the_catalogue() -> None:
    assert "assessments.unknown_currency" in catalogue()
