"""The module `api`: orders, and the catalogue of what can be ordered."""

from functools import partial

from libs.cache.cache import Cache
from libs.cache.redis import RedisConnection
from libs.contracts.api import OrderConfirmed, OrderPlaced
from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.contracts.worker import OrderAssessed
from libs.db.database import Database, Databases
from libs.db.idempotency import IdempotencyKeys
from libs.db.unit_of_work import unit_of_work
from libs.documents.documents import Documents
from libs.events.consumer import Consumer
from libs.events.inbox import DatabaseInbox
from libs.events.kafka import KafkaBus
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.module import Check, Host, Module, Wired
from services.api.catalog import routes as catalog_routes
from services.api.catalog.documents import COLLECTION
from services.api.catalog.repository import ServiceRepository
from services.api.catalog.seed import Seed
from services.api.catalog.service import Catalog
from services.api.customers import handlers as customer_handlers
from services.api.customers.repository import CustomerRepository
from services.api.customers.service import Customers
from services.api.orders import handlers as order_handlers
from services.api.orders import routes as order_routes
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

    services = ServiceRepository(documents)
    catalog = Catalog(
        services,
        Cache(redis, namespace=COLLECTION),
        item_ttl_s=settings.catalog.item_ttl_s,
        page_ttl_s=settings.catalog.page_ttl_s,
    )
    orders = _orders(db, catalog)
    customers = Customers(CustomerRepository(db))

    relay = Relay(OutboxQueue(db), bus, settings.relay)
    consumer = Consumer(
        inbox=DatabaseInbox(db),
        bus=bus,
        group=NAME,
        handlers=[*customer_handlers.handlers(customers), *order_handlers.handlers(orders)],
        settings=settings.consumer,
    )

    return Wired(
        routers=(order_routes.router(orders), catalog_routes.router(catalog)),
        tasks=(relay, consumer),
        checks=(
            Check(name=f"{NAME}.database", probe=db.ping, critical=True),
            Check(name="mongo", probe=documents.ping, critical=True),
            Check(name="redis", probe=redis.ping, critical=False),
            Check(name=relay.name, probe=relay.check, critical=False),
            Check(name=consumer.name, probe=consumer.check, critical=False),
        ),
        prepare=services.ensure_indexes,
        seed=Seed(catalog),
    )


def _orders(db: Database, catalog: Catalog) -> Orders:
    return Orders(
        work=partial(unit_of_work, db),
        orders=OrderRepository(db),
        catalog=catalog,
        keys=IdempotencyKeys(db),
        outbox=Outbox(db),
    )


MODULE = Module(
    name=NAME,
    summary="orders, and the catalogue of what can be ordered",
    settings=ApiSettings,
    build=build,
    routes=(order_routes.PATH, catalog_routes.PATH),
    models=MODELS,
    documents=(COLLECTION,),
    publishes=(OrderPlaced, OrderConfirmed),
    consumes=(UserCreated, UserUpdated, UserDeleted, OrderAssessed),
)
