"""The module `worker`: assesses orders, notifies users, keeps the audit log."""

from typing import Final

from libs.auth.service_tokens import Grant, ServiceTokens
from libs.auth.settings import ServiceAccount
from libs.cache.redis import RedisConnection
from libs.contracts.auth import AuthClient, MessageClient
from libs.contracts.integrations import IntegrationsClient
from libs.contracts.worker import OrderAssessed
from libs.db.database import Database, Databases
from libs.events.bus import Bus
from libs.events.cleaning import EventCleaner
from libs.events.consumer import Consumer
from libs.events.handling import AnyHandler
from libs.events.inbox import DatabaseInbox
from libs.events.kafka import KafkaBus
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.module import Check, Host, Module, Wired
from services.worker.assessments import handlers as assessment_handlers
from services.worker.assessments.service import Assessments, Reference
from services.worker.audit import handlers as audit_handlers
from services.worker.audit import routes as audit_routes
from services.worker.audit.repository import AuditRepository
from services.worker.audit.service import Audit
from services.worker.notifications import handlers as notification_handlers
from services.worker.notifications.channels import channel
from services.worker.notifications.repository import NotificationRepository
from services.worker.notifications.service import Messages, Notifications
from services.worker.settings import WorkerSettings

NAME: Final = "worker"
MODELS: Final = ("services.worker.notifications.models", "services.worker.audit.models")


def build(host: Host, settings: WorkerSettings) -> Wired:
    """Put the module together."""
    db = host.share(Databases).add(NAME, settings.database, MODELS)
    bus = host.share(KafkaBus)
    bus.configure(settings.events)
    host.share(RedisConnection).configure(settings.cache)  # for the deny list
    tokens = ServiceTokens(_grant(AuthClient(host.peer("auth")), settings.account))
    integrations = IntegrationsClient(host.peer("integrations"), tokens)
    sender = Messages(
        MessageClient(host.peer("auth"), tokens),
        channel(settings.messages),
        NotificationRepository(),
    )
    return wire(db, bus, integrations, sender, settings)


def wire(
    db: Database, bus: Bus, reference: Reference, messages: Messages, settings: WorkerSettings
) -> Wired:
    """Put the module together on what it is given from outside."""
    audit = Audit(AuditRepository(), cursor_key=settings.cursors.key)
    assessments = Assessments(reference, reporting_currency=settings.assessment.reporting_currency)
    relay = Relay(OutboxQueue(db), bus, settings.relay)
    consumer = Consumer(
        inbox=DatabaseInbox(db),
        bus=bus,
        group=NAME,
        handlers=handlers(audit, assessments, messages, Outbox(db)),
        settings=settings.consumer,
    )
    return Wired(
        routers=(audit_routes.router(audit),),
        tasks=(relay, consumer, EventCleaner(db, settings.relay, settings.consumer)),
        checks=(
            Check(name=f"{NAME}.database", probe=db.ping, critical=True),
            Check(name=relay.name, probe=relay.check, critical=False),
            Check(name=consumer.name, probe=consumer.check, critical=False),
        ),
    )


def handlers(
    audit: Audit, assessments: Assessments, messages: Messages, outbox: Outbox
) -> list[AnyHandler]:
    """What is done about events. Of one event the audit comes first: it waits for nobody."""
    return [
        *audit_handlers.everything(audit),
        *assessment_handlers.handlers(assessments, outbox),
        *notification_handlers.handlers(Notifications(NotificationRepository()), messages),
    ]


def _grant(auth: AuthClient, account: ServiceAccount) -> Grant:
    async def grant() -> tuple[str, int]:
        token = await auth.service_token(client_id=NAME, secret=account.secret.get_secret_value())
        return token.access_token, token.expires_in

    return grant


MODULE = Module(
    name=NAME,
    summary="order assessments, notifications and the audit log",
    settings=WorkerSettings,
    build=build,
    routes=(audit_routes.PATH,),
    models=MODELS,
    publishes=(OrderAssessed,),
    consumes=audit_handlers.EVENTS,
)
