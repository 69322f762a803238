"""The module `api`: orders, and the catalogue of what can be ordered."""

from datetime import timedelta
from functools import partial

from libs.cache.cache import Cache
from libs.cache.redis import RedisConnection
from libs.contracts.api import (
    OrderCancelled,
    OrderChanged,
    OrderConfirmed,
    OrderDeleted,
    OrderPlaced,
    ServiceChanged,
)
from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.contracts.worker import OrderAssessed
from libs.db.database import Database, Databases
from libs.db.idempotency import IdempotencyKeys
from libs.db.reaper import IdempotencyReaper
from libs.db.unit_of_work import unit_of_work
from libs.documents.documents import Documents
from libs.documents.outbox import DocumentOutbox
from libs.documents.sweeper import Pace, Sweeper
from libs.events.cleaning import EventCleaner
from libs.events.consumer import Consumer
from libs.events.inbox import DatabaseInbox
from libs.events.kafka import KafkaBus
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.module import Check, Host, Module, Wired
from services.api.catalog import handlers as catalog_handlers
from services.api.catalog import routes as catalog_routes
from services.api.catalog import service as catalog_service
from services.api.catalog.documents import COLLECTION, SERVICES
from services.api.catalog.editor import Editor
from services.api.catalog.repository import ServiceRepository
from services.api.catalog.seed import Seed
from services.api.catalog.service import Catalog
from services.api.customers import handlers as customer_handlers
from services.api.customers.repository import CustomerRepository
from services.api.customers.service import Customers
from services.api.orders import handlers as order_handlers
from services.api.orders import routes as order_routes
from services.api.orders.placement import Placement
from services.api.orders.repository import OrderRepository
from services.api.orders.service import Orders
from services.api.settings import ApiSettings

NAME = "api"
MODELS = ("services.api.customers.models", "services.api.orders.models")


def build(host: Host, settings: ApiSettings) -> Wired:
    """Put the module together."""
    db = host.share(Databases).add(NAME, settings.database, MODELS)
    documents, redis, bus = (
        host.share(Documents),
        host.share(RedisConnection),
        host.share(KafkaBus),
    )
    documents.configure(settings.documents)
    redis.configure(settings.cache)
    bus.configure(settings.events)

    documents.declare(SERVICES)
    services = ServiceRepository(documents)
    changes = DocumentOutbox(documents, COLLECTION, db, IdempotencyKeys(db))
    catalog = Catalog(
        services,
        Cache(redis, namespace=COLLECTION, version=catalog_service.FORM),
        item_ttl_s=settings.catalog.item_ttl_s,
        page_ttl_s=settings.catalog.page_ttl_s,
        cursor_key=settings.cursors.key,
    )
    editor = Editor(services, events=changes, keys=IdempotencyKeys(db), catalog=catalog)
    orders = _orders(db, catalog, settings.cursors.key)
    customers = Customers(CustomerRepository(db))

    relay = Relay(OutboxQueue(db), bus, settings.relay)
    consumer = Consumer(
        inbox=DatabaseInbox(db),
        bus=bus,
        group=NAME,
        handlers=[
            *customer_handlers.handlers(customers),
            *order_handlers.handlers(orders),
            *catalog_handlers.handlers(catalog),
        ],
        settings=settings.consumer,
    )

    return Wired(
        routers=(order_routes.router(orders), catalog_routes.router(catalog, editor)),
        tasks=(
            relay,
            consumer,
            EventCleaner(db, settings.relay, settings.consumer),
            IdempotencyReaper(db, settings.idempotency),
            Sweeper(NAME, COLLECTION, changes, _pace(settings)),
        ),
        checks=(
            Check(name=f"{NAME}.database", probe=db.ping, critical=True),
            Check(name="mongo", probe=documents.ping, critical=True),
            Check(name="redis", probe=redis.ping, critical=False),
            Check(name=relay.name, probe=relay.check, critical=False),
            Check(name=consumer.name, probe=consumer.check, critical=False),
        ),
        prepare=documents.prepare,
        seed=Seed(catalog),
    )


def _orders(db: Database, catalog: Catalog, cursor_key: bytes) -> Orders:
    outbox = Outbox(db)
    return Orders(
        work=partial(unit_of_work, db),
        placement=Placement(db, outbox),
        orders=OrderRepository(db),
        catalog=catalog,
        keys=IdempotencyKeys(db),
        publish=outbox.add,
        cursor_key=cursor_key,
    )


def _pace(settings: ApiSettings) -> Pace:
    """A document stands for an idempotency key for longer than the key's row is there."""
    return Pace(keep_marks=timedelta(hours=settings.idempotency.keep_h + 24))


MODULE = Module(
    name=NAME,
    summary="orders, and the catalogue of what can be ordered",
    settings=ApiSettings,
    build=build,
    routes=(order_routes.PATH, catalog_routes.PATH),
    models=MODELS,
    documents=(COLLECTION,),
    publishes=(
        OrderPlaced,
        OrderChanged,
        OrderConfirmed,
        OrderCancelled,
        OrderDeleted,
        ServiceChanged,
    ),
    consumes=(UserCreated, UserUpdated, UserDeleted, OrderAssessed, ServiceChanged),
)
