"""`throughline events topics`: what it lists, and what it refuses. The rest needs a broker."""

from collections.abc import Sequence

from click.testing import CliRunner, Result

from libs.config import variables
from libs.settings import HostSettings
from services import registry
from services.cli.main import main
from services.cli.settings import made_up


def _run(*arguments: str, hosted: Sequence[str] = registry.MODULES, **environ: str) -> Result:
    others = dict.fromkeys(variables(HostSettings, registry.load(registry.MODULES)))
    made = made_up(hosted)
    return CliRunner().invoke(main, ["events", *arguments], env={**others, **made, **environ})


def test_topics_are_listed_with_what_they_are_like() -> None:
    answer = _run("topics", THROUGHLINE_LOG_LEVEL="error", THROUGHLINE_KAFKA_RETENTION_H="2")
    assert answer.exit_code == 0
    lines = answer.output.splitlines()
    names = [line.split(":")[0] for line in lines]
    assert {"throughline.orders", "throughline.users", "throughline.worker.dead-letter"} <= {*names}
    assert names == sorted(names)
    assert (
        "throughline.orders: partitions=3 replication=1 cleanup.policy=delete"
        " min.insync.replicas=1 retention.ms=7200000"
    ) in lines


def test_one_thing_at_a_time() -> None:
    answer = _run("topics", "--apply", "--check", THROUGHLINE_LOG_LEVEL="error")
    assert answer.exit_code == 2


def test_a_module_without_events_has_no_topics() -> None:
    only = ["integrations"]
    answer = _run("topics", *only, hosted=only, THROUGHLINE_LOG_LEVEL="error")
    assert answer.exit_code == 2
    assert "none of these modules has events" in answer.output


def test_a_broker_that_is_not_there_is_one_line() -> None:
    answer = _run(
        *("topics", "--check"),
        THROUGHLINE_LOG_LEVEL="error",
        THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
    )
    assert answer.exit_code == 1
    assert "reading topics: KafkaConnectionError" in answer.output
