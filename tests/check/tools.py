"""The tools that others wrote: ruff and mypy, as pyproject.toml has them set up."""

from tests.check.project import Project


def style(project: Project) -> list[str]:
    """What ruff has to say; print is among it."""
    return project.run("ruff", "check", "--quiet", "--output-format=concise", ".")


def layout(project: Project) -> list[str]:
    """The files that `make format` would change."""
    return project.run("ruff", "format", "--quiet", "--check", ".")


def types(project: Project) -> list[str]:
    """What mypy has to say."""
    return project.run("mypy", "--no-error-summary", "--no-color-output")
