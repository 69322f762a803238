"""Settings: small groups, read from the environment once, passed in from then on.

A group is a frozen pydantic model. Its variables are

    THROUGHLINE_<PREFIX>_<FIELD>           one value a process   THROUGHLINE_REDIS_URL
    THROUGHLINE_<MODULE>_<PREFIX>_<FIELD>  one value a module    THROUGHLINE_API_DATABASE_URL

`load` is the only place that reads them. It reports every problem at once and never shows a value
of a secret. A variable that starts with THROUGHLINE_ and belongs to nothing is a problem as well:
it is a typing error until proven otherwise.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo

PREFIX = "THROUGHLINE_"

Environment = Literal["embedded", "test", "development", "production"]

DEFAULT_SECRETS = ("insecure-", "changeme", "change-me")
"""What shows that a secret was never chosen; fit for the embedded and test profiles only."""

_G = TypeVar("_G", bound="Group")


class Group(BaseModel):
    """Settings that belong together.

    Attributes:
        prefix: the part of the variables' names that all have in common; may be empty.
        per_module: whether each module has its own values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    prefix: ClassVar[str] = ""
    per_module: ClassVar[bool] = False


class ModuleSettings(BaseModel):
    """What one module is given: each field is a `Group`.

    Attributes:
        uses: the modules whose contracts it calls synchronously, and whose addresses it needs
            therefore.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    uses: ClassVar[tuple[str, ...]] = ()


class ServerSettings(Group):
    """How a process serves, whichever modules it hosts."""

    environment: Environment = Field(
        "production", description="the profile; production is the strict one"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level that is logged"
    )
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="the port to listen on; 0 for a free one")
    max_body_bytes: int = Field(1_048_576, ge=1, description="the largest request body")
    request_timeout_s: float = Field(30.0, gt=0, description="the longest a request may take")
    trust_context_id: bool = Field(
        True, description="whether a client's X-Context-Id is taken over"
    )
    trusted_proxies: str = Field(
        "",
        description="networks (CIDR, comma-separated) of the proxies in front, whose"
        " X-Forwarded-For tells the client's address; none: the address is that of the connection",
    )
    drain_s: float = Field(
        25.0, ge=0, description="how long a stopping process may finish its work"
    )
    commit: str = Field("unknown", description="the revision that runs, for /meta")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for part in text.split(","):
            if part.strip():
                ip_network(part.strip())
        return text


class ProcessSettings(ModuleSettings):
    """What a process is given; `libs/runtime.py` adds its groups."""

    server: ServerSettings


P = TypeVar("P", bound=ProcessSettings)


class ModuleLike(Protocol):
    """The part of a module's declaration that settings depend on."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> type[ModuleSettings]: ...


@dataclass(frozen=True, slots=True)
class Settings(Generic[P]):
    """All settings of a process.

    Attributes:
        process: for the process.
        modules: for each hosted module, by name.
        peers: where a module is that is called synchronously; absent: in this process.
    """

    process: P
    modules: Mapping[str, ModuleSettings]
    peers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one variable."""

    variable: str
    message: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.message}"


class ConfigError(Exception):
    """The settings are not usable.

    Attributes:
        problems: all of them.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: p.variable)
        lines = "\n".join(f"  {p}" for p in self.problems)
        super().__init__(f"The configuration has {len(self.problems)} problem(s):\n{lines}")


def variable(group: type[Group], name: str, *, module: str | None = None) -> str:
    """The name of the environment variable of a group's field."""
    parts = [module] if group.per_module and module else []
    parts += [group.prefix] if group.prefix else []
    return PREFIX + "_".join([*parts, name]).upper()


def groups(settings: type[ModuleSettings]) -> dict[str, type[Group]]:
    """The groups of a module's settings class, by field name."""
    found: dict[str, type[Group]] = {}
    for name, info in settings.model_fields.items():
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, Group)):
            raise TypeError(f"{settings.__name__}.{name} is not a Group")
        found[name] = info.annotation
    return found


def variables(
    process: type[ProcessSettings], modules: Iterable[ModuleLike]
) -> dict[str, FieldInfo]:
    """Every variable that a process with these modules reads, in alphabetical order."""
    found: dict[str, FieldInfo] = {}
    for settings, name in [(process, None), *((m.settings, m.name) for m in modules)]:
        for group in groups(settings).values():
            found |= {variable(group, n, module=name): i for n, i in group.model_fields.items()}
    return dict(sorted(found.items()))


def peer_variable(module: str) -> str:
    """The variable that holds a module's address, for those who call it over the network."""
    return f"{PREFIX}{module.upper()}_URL"


def load(
    environ: Mapping[str, str],
    process: type[P],
    modules: Iterable[ModuleLike],
    *,
    elsewhere: Iterable[str] = (),
) -> Settings[P]:
    """Read the settings of a process that hosts `modules`.

    Args:
        environ: usually `os.environ`; an empty value counts as not set.
        process: what the process itself is given.
        modules: the hosted modules' declarations.
        elsewhere: beginnings of variables that others read (a module that runs in another
            process), so that one set of variables can be given to all processes. One that is also
            the beginning of a variable of this process excuses nothing.

    Raises:
        ConfigError: with every problem there is.
    """
    hosted = list(modules)
    given = {k: v for k, v in environ.items() if k.startswith(PREFIX) and v != ""}
    problems: list[Problem] = []
    read_process = _read_settings(process, None, given, problems)
    read = {m.name: _read_settings(m.settings, m.name, given, problems) for m in hosted}
    peers = _read_peers(hosted, given, problems)
    expected = variables(process, hosted)
    known = {*expected, *map(peer_variable, _used(hosted))}
    excused = tuple(p for p in elsewhere if not any(v.startswith(p) for v in expected))
    problems += _unknown({n for n in given if not n.startswith(excused)}, known)
    environment = given.get(variable(ServerSettings, "environment"), "production")
    if environment not in ("embedded", "test"):
        problems += _insecure(given, expected)
    if problems or read_process is None:
        raise ConfigError(problems)
    return Settings(read_process, {n: s for n, s in read.items() if s is not None}, peers)


_S = TypeVar("_S", bound=ModuleSettings)


def _read_settings(
    settings: type[_S], module: str | None, given: Mapping[str, str], problems: list[Problem]
) -> _S | None:
    read = {n: _read_group(g, given, module, problems) for n, g in groups(settings).items()}
    if any(group is None for group in read.values()):
        return None
    return settings.model_validate(read)


def _read_group(
    group: type[_G], given: Mapping[str, str], module: str | None, problems: list[Problem]
) -> _G | None:
    names = {name: variable(group, name, module=module) for name in group.model_fields}
    values = {name: given[v] for name, v in names.items() if v in given}
    try:
        return group.model_validate(values)
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_input=False):
            name = str(mistake["loc"][0]) if mistake["loc"] else next(iter(names))
            info = group.model_fields[name]
            problems.append(Problem(names[name], _explain(cast(dict[str, Any], mistake), info)))
        return None


def _explain(mistake: Mapping[str, Any], info: FieldInfo) -> str:
    what = "is required" if mistake["type"] == "missing" else str(mistake["msg"])
    allowed = get_args(info.annotation)
    if allowed and all(isinstance(value, str) for value in allowed):
        what = f"must be one of {', '.join(allowed)}"
    return f"{what} ({info.description})" if info.description else what


def _used(modules: Iterable[ModuleLike]) -> list[str]:
    return sorted({name for module in modules for name in module.settings.uses})


def _read_peers(
    hosted: list[ModuleLike], given: Mapping[str, str], problems: list[Problem]
) -> dict[str, str]:
    peers: dict[str, str] = {}
    here = {module.name for module in hosted}
    for name in _used(hosted):
        address = peer_variable(name)
        value = given.get(address)
        if value is None:
            if name not in here:
                callers = ", ".join(m.name for m in hosted if name in m.settings.uses)
                message = f"is required: {callers} calls {name}, which this process does not host"
                problems.append(Problem(address, message))
        elif not value.startswith(("http://", "https://")):
            problems.append(Problem(address, "must start with http:// or https://"))
        else:
            peers[name] = value
    return peers


def _unknown(given: set[str], expected: set[str]) -> list[Problem]:
    found = []
    for name in sorted(given - expected):
        near = difflib.get_close_matches(name, expected, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        found.append(Problem(name, f"is not a known setting{hint}"))
    return found


def _insecure(given: Mapping[str, str], known: Mapping[str, FieldInfo]) -> list[Problem]:
    found = []
    for name, info in known.items():
        if info.annotation in (SecretStr, SecretStr | None):
            default = info.default.get_secret_value() if isinstance(info.default, SecretStr) else ""
            value = given.get(name, default).lower()
            if any(secret in value for secret in DEFAULT_SECRETS):
                message = "holds a default secret, which only the embedded and test profiles accept"
                found.append(Problem(name, message))
    return found
