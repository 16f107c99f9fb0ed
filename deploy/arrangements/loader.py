"""An arrangement's folder as values: directory, schema, rules, all checked together or not at all.

    directory.yaml        federation, threshold, agencies, officers, communities, suspensions, lanes
    schema.cedarschema    the types that rules speak of
    sharing/*.cedar       the rules, by subject
    invariants.yaml       what the rules promise of every label, to be proved; may be absent

A file that belongs to none of these is an error in `sharing/`: a rule that nobody reads protects nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from broker.policy import Policy, PolicyError, load_policy
from broker.policy.proof.invariants import Invariant, load_invariants
from schemas.directory import Directory
from schemas.lined_yaml import YamlError, read_lined
from schemas.model import Model

DIRECTORY_FILE = "directory.yaml"
SCHEMA_FILE = "schema.cedarschema"
RULES_FOLDER = "sharing"
INVARIANTS_FILE = "invariants.yaml"


class ArrangementError(Exception):
    """An arrangement that is not read; `str()` has a line for each error, with file, line, field or rule."""

    retriable = False

    def __init__(self, errors: tuple[str, ...]) -> None:
        self.errors = errors
        super().__init__("\n".join(errors))


class Terms(Model):
    """What `directory.yaml` says beside the directory: federation, and how many must sign a version."""

    federation: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
    threshold: Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class ArrangementSource:
    """An arrangement as it is written, its rules and invariants as they were checked. `policies`: text by file name."""

    federation: str
    threshold: int
    directory: Directory
    schema_text: str
    policies: dict[str, str]
    policy: Policy = field(repr=False)
    invariants_text: str = ""
    invariants: Mapping[str, Invariant] = field(default_factory=dict, repr=False)


def read_arrangement(folder: Path) -> ArrangementSource:
    """Read and check an arrangement's folder.

    Raises: `ArrangementError` with every error that could be told apart.
    """
    directory_text = _read(folder / DIRECTORY_FILE)
    schema = _read(folder / SCHEMA_FILE)
    policies = _rules(folder)
    terms, directory = _directory(folder / DIRECTORY_FILE, directory_text)
    try:
        policy = load_policy(policies, schema, directory, SCHEMA_FILE)
    except PolicyError as error:
        raise ArrangementError(tuple(f"{folder}/{fault}" for fault in error.faults)) from error
    promised = folder / INVARIANTS_FILE
    text = _read(promised) if promised.exists() else ""
    invariants = _invariants(text, policy, directory, promised) if text else {}
    return ArrangementSource(
        terms.federation, terms.threshold, directory, schema, policies, policy, text, invariants
    )


def _invariants(text: str, policy: Policy, directory: Directory, path: Path) -> Mapping[str, Invariant]:
    try:
        return load_invariants(text, policy.schema, directory, str(path))
    except YamlError as error:
        raise ArrangementError(error.errors) from error
    except PolicyError as error:
        raise ArrangementError(tuple(map(str, error.faults))) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ArrangementError((f"{path}:{line}: expected UTF-8 text",)) from error
    except OSError as error:
        raise ArrangementError((f"{path}: cannot be read: {error.strerror}",)) from error


def _rules(folder: Path) -> dict[str, str]:
    rules = folder / RULES_FOLDER
    if not rules.is_dir():
        raise ArrangementError((f"{rules}: expected a folder of *.cedar files",))
    found = sorted(rules.iterdir())
    stray = [path for path in found if path.suffix != ".cedar" or not path.is_file()]
    if stray:
        raise ArrangementError(tuple(f"{path}: expected only *.cedar files here" for path in stray))
    return {f"{RULES_FOLDER}/{path.name}": _read(path) for path in found}


def _directory(path: Path, text: str) -> tuple[Terms, Directory]:
    try:
        written = read_lined(str(path), text)
        names = Terms.model_fields.keys()
        errors: list[str] = []
        terms, directory = None, None
        try:
            terms = written.check(Terms, {k: v for k, v in written.values.items() if k in names})
        except YamlError as error:
            errors += error.errors
        try:
            directory = written.check(Directory, {k: v for k, v in written.values.items() if k not in names})
        except YamlError as error:
            errors += error.errors
        if terms is None or directory is None:
            raise YamlError(errors)
        if terms.threshold > len(directory.agencies):
            message = (
                f"expected at most the number of agencies, {len(directory.agencies)}, found {terms.threshold}"
            )
            raise written.error(("threshold",), message)
    except YamlError as error:
        raise ArrangementError(error.errors) from error
    return terms, directory
