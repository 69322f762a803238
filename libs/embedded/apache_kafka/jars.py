"""What Apache Kafka is made of: fetched by Maven at first use, then found again."""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from libs.embedded.process import EmbeddedError, run
from libs.embedded.server import Progress

POM: Final = Path(__file__).with_name("pom.xml")
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


async def jars(environ: Mapping[str, str], progress: Progress) -> Path:
    """The folder with them; fetches them unless they are there.

    Raises:
        EmbeddedError: they cannot be had.
    """
    folder = _folder(environ)
    if not folder.exists():
        progress(f"kafka: fetching Apache Kafka to {folder}, once")
        try:
            await _fetch(folder, environ)
        except OSError as error:
            raise EmbeddedError(f"cannot make {folder}: {error.strerror}") from error
    return folder


def program(name: str, environ: Mapping[str, str]) -> str:
    """Where a program is.

    Raises:
        EmbeddedError: it is not installed.
    """
    home = environ.get("JAVA_HOME")
    path = os.pathsep.join([*([f"{home}/bin"] if home else []), environ.get("PATH", os.defpath)])
    if found := shutil.which(name, path=path):
        return found
    raise EmbeddedError(
        f"{name} is not installed: Apache Kafka needs Java 17 and Maven (Debian: apt-get install"
        " openjdk-17-jre-headless maven)"
    )


def _folder(environ: Mapping[str, str]) -> Path:
    """Beside the environment if that can be written, else in the user's cache."""
    name = f"apache-kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    beside = Path(sys.prefix).parent
    if os.access(beside, os.W_OK):
        return beside / "build" / name
    cache = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "throughline" / name


async def _fetch(folder: Path, environ: Mapping[str, str]) -> None:
    """Fetch to a folder of our own and rename that: others see it whole or not at all."""
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    part.mkdir(parents=True)
    try:
        await run(
            (
                program("mvn", environ),
                *("--batch-mode", "--no-transfer-progress", "--quiet", "--file", str(POM)),
                *(_COPY, f"-DoutputDirectory={part}"),
            ),
            what="fetching Apache Kafka (mvn)",
            log=folder.with_name("apache-kafka.log"),
            cwd=part,
            environment=environ,  # Maven wants the user's proxy, mirror, repository
        )
        _publish(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish(part: Path, folder: Path) -> None:
    if not folder.exists():  # another process may have been faster
        part.rename(folder)
