"""An arrangement's folder as values: directory, schema, rules, all checked together or not at all.

    directory.yaml        federation, threshold, agencies, officers, communities, suspensions, lanes
    schema.cedarschema    the types that rules speak of
    sharing/*.cedar       the rules, by subject
    invariants.yaml       what the rules promise of every label, to be proved; may be absent
    cases/*.yaml          what the rules must and must not let through; none or more (`broker.policy.cases`)

Another file in `sharing/` or `cases/` is an error: a rule that nobody reads protects nobody, nor does a case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from broker.policy import Policy, PolicyError, load_policy
from broker.policy.proof.invariants import Invariant, load_invariants
from schemas.arrangement import ArrangementBody
from schemas.directory import Directory
from schemas.lined_yaml import YamlError, read_lined
from schemas.model import Model

DIRECTORY_FILE = "directory.yaml"
SCHEMA_FILE = "schema.cedarschema"
RULES_FOLDER = "sharing"
INVARIANTS_FILE = "invariants.yaml"
CASES_FOLDER = "cases"


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
    """An arrangement as it is written, its rules and invariants as they were checked.

    `policies` and `cases`: text by file name. Cases say nothing of what holds; whoever wants to run them reads them.
    """

    federation: str
    threshold: int
    directory: Directory
    schema_text: str
    policies: dict[str, str]
    policy: Policy = field(repr=False)
    invariants_text: str = ""
    invariants: Mapping[str, Invariant] = field(default_factory=dict, repr=False)
    cases: dict[str, str] = field(default_factory=dict, repr=False)


def read_arrangement(folder: Path) -> ArrangementSource:
    """Read and check an arrangement's folder.

    Raises: `ArrangementError` with every error that could be told apart.
    """
    terms, directory = _directory(folder / DIRECTORY_FILE, read_text(folder / DIRECTORY_FILE))
    promised = folder / INVARIANTS_FILE
    return _checked(
        terms.federation,
        terms.threshold,
        directory,
        read_text(folder / SCHEMA_FILE),
        _texts(folder, RULES_FOLDER, ".cedar"),
        read_text(promised) if promised.exists() else "",
        _texts(folder, CASES_FOLDER, ".yaml") if (folder / CASES_FOLDER).exists() else {},
        f"{folder}/",
    )


def source_of(body: ArrangementBody) -> ArrangementSource:
    """What a version says, as its folder would say it. Raises: `ArrangementError` as `read_arrangement` does."""
    return _checked(
        body.federation,
        body.threshold,
        body.directory,
        body.schema_text,
        body.policies,
        body.invariants_text,
        body.cases,
        f"version {body.number}: ",
    )


def _checked(
    federation: str,
    threshold: int,
    directory: Directory,
    schema_text: str,
    policies: dict[str, str],
    invariants_text: str,
    cases: dict[str, str],
    where: str,
) -> ArrangementSource:
    try:
        policy = load_policy(policies, schema_text, directory, SCHEMA_FILE)
        invariants = (
            load_invariants(invariants_text, policy.schema, directory, INVARIANTS_FILE)
            if invariants_text
            else {}
        )
    except PolicyError as error:
        raise ArrangementError(tuple(f"{where}{fault}" for fault in error.faults)) from error
    except YamlError as error:
        raise ArrangementError(tuple(f"{where}{line}" for line in error.errors)) from error
    return ArrangementSource(
        federation, threshold, directory, schema_text, policies, policy, invariants_text, invariants, cases
    )


def read_text(path: Path) -> str:
    """A file's text. Raises: `ArrangementError` if it is no UTF-8, or cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ArrangementError((f"{path}:{line}: expected UTF-8 text",)) from error
    except OSError as error:
        raise ArrangementError((f"{path}: cannot be read: {error.strerror}",)) from error


def _texts(folder: Path, name: str, ending: str) -> dict[str, str]:
    """The text of each file in the folder `name` of an arrangement, all of one ending, by name and file name."""
    inner = folder / name
    if not inner.is_dir():
        raise ArrangementError((f"{inner}: expected a folder of *{ending} files",))
    found = sorted(inner.iterdir())
    stray = [path for path in found if path.suffix != ending or not path.is_file()]
    if stray:
        raise ArrangementError(tuple(f"{path}: expected only *{ending} files here" for path in stray))
    return {f"{name}/{path.name}": read_text(path) for path in found}


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
