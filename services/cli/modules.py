"""`throughline modules`: what the modules declare of themselves."""

import click

from libs.module import Registry
from services.cli import process


@click.group()
def modules() -> None:
    """Show the modules and how they hang together."""


@modules.command("list")
def list_() -> None:
    """List the modules with what they own, serve, publish and consume."""
    for module in process.chosen(()):
        click.echo(f"{module.name}: {module.summary}")
        for label, values in (
            ("serves", module.routes),
            ("schema", (module.name,) if module.models else ()),
            ("collections", module.documents),
            ("publishes", [event.type for event in module.publishes]),
            ("consumes", [event.type for event in module.consumes]),
            ("calls", module.uses),
        ):
            if values:
                click.echo(f"  {label:<12} {', '.join(values)}")


@modules.command()
def graph() -> None:
    """Print the module diagram as Mermaid, made from the declarations.

    Solid arrows are events (through the outbox and Kafka), dotted ones synchronous calls.
    """
    click.echo(diagram(process.chosen(())))


def diagram(registry: Registry) -> str:
    """The modules, their events and calls, as a Mermaid flow chart."""
    lines = ["flowchart LR"]
    for module in registry:
        label = [f"<b>{module.name}</b>"]
        label += [f"schema {module.name}"] if module.models else []
        label += [f"collection {name}" for name in module.documents]
        lines.append(f'    {module.name}["{"<br/>".join(label)}"]')
    lines += [f"    {line}" for line in _events(registry)]
    lines += [f"    {m.name} -. HTTP .-> {used}" for m in registry for used in m.uses]
    return "\n".join(lines)


def _events(registry: Registry) -> list[str]:
    lines = []
    for publisher in registry:
        for consumer in registry:
            shared = [e.type for e in publisher.publishes if e in consumer.consumes]
            if shared:
                lines.append(f'{publisher.name} -- "{"<br/>".join(shared)}" --> {consumer.name}')
    return lines
