"""What an arrangement promises of every label and every agency, in plain words and as a condition: `invariants.yaml`.

    invariants:
      - id: platforms-get-no-persons
        says: No platform ever gets what bears persons.
        never: principal.role == AgencyRole::"platform" && resource.bears_persons

Each says one of three things of its condition, which is written in the subset of Cedar that rules are written in:

- `never`: nothing is released for which it holds.
- `always`: everything is released for which it holds, if it is addressed and the gate is open.
- `sometimes`: something is released for which it holds; a policy that releases nothing keeps every other promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from broker.policy.faults import Fault, PolicyError
from broker.policy.loader import Condition, load_condition
from broker.policy.schema import Schema
from schemas.directory import Directory
from schemas.lined_yaml import YamlError, read_lined
from schemas.model import Model


class Promise(StrEnum):
    """What is promised of a condition."""

    NEVER = "never"
    ALWAYS = "always"
    SOMETIMES = "sometimes"


class WrittenInvariant(Model):
    """One entry of `invariants.yaml`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,59}$")]
    says: Annotated[str, Field(min_length=1, max_length=400)]
    never: str | None = None
    always: str | None = None
    sometimes: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(text is not None for text in (self.never, self.always, self.sometimes)) != 1:
            raise ValueError("expected exactly one of 'never', 'always' and 'sometimes'")
        return self

    @property
    def promise(self) -> Promise:
        return next(promise for promise in Promise if getattr(self, promise) is not None)


class _File(Model):
    invariants: Annotated[tuple[WrittenInvariant, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise as it was checked. `line`: where it is written."""

    id: str
    says: str
    promise: Promise
    text: str
    line: int
    condition: Condition = field(repr=False)


def load_invariants(text: str, schema: Schema, directory: Directory, file: str) -> Mapping[str, Invariant]:
    """The invariants of an arrangement by id, in the order of the file.

    Raises: `YamlError` with file, line, field and what was expected; `PolicyError` for a condition, with its line.
    """
    written = read_lined(file, text)
    entries = written.check(_File, written.values).invariants
    found: dict[str, Invariant] = {}
    faults: list[Fault] = []
    doubled: list[YamlError] = []
    for at, entry in enumerate(entries):
        promise = entry.promise
        condition, line = getattr(entry, promise), written.line(("invariants", at, promise))
        if entry.id in found:
            message = f"the id '{entry.id}' stands twice; first in line {found[entry.id].line}"
            doubled.append(written.error(("invariants", at, "id"), message))
            continue
        try:
            checked = load_condition(condition, schema, directory, file, line)
        except PolicyError as error:
            faults += error.faults
            continue
        found[entry.id] = Invariant(entry.id, entry.says, promise, condition, line, checked)
    if doubled:
        raise YamlError([line for error in doubled for line in error.errors])
    if faults:
        raise PolicyError(faults)
    return found
