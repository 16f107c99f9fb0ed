"""An arrangement's folder as values: directory, schema, rules, all checked together or not at all.

    directory.yaml        federation, threshold, agencies, officers, communities, suspensions, lanes
    schema.cedarschema    the types that rules speak of
    sharing/*.cedar       the rules, by subject
    invariants.yaml       what the rules promise of every label, to be proved; may be absent
    cases/*.yaml          what the rules must and must not let through; none or more (`broker.policy.cases`)

Another file in `sharing/` or `cases/` is an error: a rule that nobody reads protects nobody, nor does a case.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from broker.policy.arranged import (
    INVARIANTS_FILE,
    SCHEMA_FILE,
    ArrangementError,
    ArrangementSource,
    Written,
    checked,
)
from schemas.directory import Directory
from schemas.lined_yaml import YamlError, read_lined
from schemas.model import Model

DIRECTORY_FILE = "directory.yaml"
RULES_FOLDER = "sharing"
CASES_FOLDER = "cases"


class Terms(Model):
    """What `directory.yaml` says beside the directory: federation, and how many must sign a version."""

    federation: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
    threshold: Annotated[int, Field(ge=1)]


def read_arrangement(folder: Path) -> ArrangementSource:
    """Read and check an arrangement's folder.

    Raises: `ArrangementError` with every error that could be told apart.
    """
    terms, directory = _directory(folder / DIRECTORY_FILE, read_text(folder / DIRECTORY_FILE))
    promised = folder / INVARIANTS_FILE
    written = Written(
        federation=terms.federation,
        threshold=terms.threshold,
        directory=directory,
        schema_text=read_text(folder / SCHEMA_FILE),
        policies=_texts(folder, RULES_FOLDER, ".cedar"),
        invariants_text=read_text(promised) if promised.exists() else "",
        cases=_texts(folder, CASES_FOLDER, ".yaml") if (folder / CASES_FOLDER).exists() else {},
    )
    return checked(written, f"{folder}/")


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
