"""skaffold.yaml keeps to the schema of its version."""

from pathlib import Path
from typing import Any

import orjson
import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import relevance

from tests.check.project import Project

FILE = Path("skaffold.yaml")
VERSION = "skaffold/v4beta14"
SCHEMA = Path(__file__).parent / "schemas" / "skaffold.v4beta14.json"


def check(project: Project) -> list[str]:
    """What is wrong with it."""
    if not (project.root / FILE).exists():
        return [f"{FILE} is missing"]
    try:
        documents = list(yaml.safe_load_all(project.text(FILE)))
    except yaml.YAMLError as error:
        return [f"{FILE} is not YAML: {' '.join(str(error).split())}"]
    return [mistake for document in documents for mistake in _mistakes(document)]


def _mistakes(document: Any) -> list[str]:
    if not isinstance(document, dict) or document.get("apiVersion") != VERSION:
        return [f"{FILE}: apiVersion must be {VERSION}"]
    validator = Draft7Validator(orjson.loads(SCHEMA.read_bytes()))
    found = []
    for error in validator.iter_errors(document):
        deepest = error
        while deepest.context:  # of several possibilities, the one that fits best
            deepest = max(deepest.context, key=relevance)
        found.append(f"{FILE}: {deepest.json_path}: {deepest.message}")
    return found
