"""An arrangement as it is written: directory, schema, rules, invariants, cases; checked together or not at all.

Whether it comes from a folder that people write, from a version that members signed, or from a draft over what holds,
it is the same here, and every tool for policies works on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

from broker.policy.faults import PolicyError
from broker.policy.loader import Policy, load_policy
from broker.policy.proof.invariants import Invariant, load_invariants
from broker.policy.ruling import Engine
from schemas.arrangement import ArrangementBody
from schemas.canonical import Domains
from schemas.directory import Directory
from schemas.ids import Digest
from schemas.lined_yaml import YamlError
from schemas.model import Model

#: The files that schema and invariants are, where an arrangement is a folder.
SCHEMA_FILE: Final = "schema.cedarschema"
INVARIANTS_FILE: Final = "invariants.yaml"

Texts = dict[Annotated[str, Field(min_length=1, max_length=200)], str]
"""The texts of files, by the name that errors call them by."""


class ArrangementError(Exception):
    """An arrangement that is not read; `str()` has a line for each error, with file, line, field or rule."""

    retriable = False

    def __init__(self, errors: tuple[str, ...]) -> None:
        self.errors = errors
        super().__init__("\n".join(errors))


class Written(Model):
    """What an arrangement says, unchecked. `policies` and `cases`: text by file name."""

    federation: str
    threshold: int
    directory: Directory
    schema_text: str
    policies: Texts
    invariants_text: str = ""
    cases: Texts = Field(default_factory=dict)

    @classmethod
    def of(cls, body: ArrangementBody) -> "Written":
        """What a version says."""
        return cls.model_construct(**{name: getattr(body, name) for name in cls.model_fields})


class Draft(Model):
    """What is to be written otherwise than in the arrangement that holds; null: as it is there."""

    directory: Directory | None = None
    schema_text: str | None = None
    policies: Annotated[Texts, Field(min_length=1)] | None = None
    """All rules, by file name; a file that is left out is dropped."""
    invariants_text: str | None = None
    cases: Texts | None = None
    """All test cases, by file name."""

    def over(self, written: Written) -> Written:
        """The arrangement as it would be."""
        said = {name: getattr(self, name) for name in type(self).model_fields}
        return written.model_copy(update={name: value for name, value in said.items() if value is not None})


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


def source_of(body: ArrangementBody) -> ArrangementSource:
    """What a version says, as its folder would say it. Raises: `ArrangementError`."""
    return checked(Written.of(body), f"version {body.number}: ")


def checked(written: Written, where: str = "") -> ArrangementSource:
    """What is written, with its rules and invariants loaded. `where` goes before each error.

    Raises: `ArrangementError` with every error that could be told apart.
    """
    directory, promised = written.directory, written.invariants_text
    try:
        policy = load_policy(written.policies, written.schema_text, directory, SCHEMA_FILE)
        invariants = load_invariants(promised, policy.schema, directory, INVARIANTS_FILE) if promised else {}
    except PolicyError as error:
        raise ArrangementError(tuple(f"{where}{fault}" for fault in error.faults)) from error
    except YamlError as error:
        raise ArrangementError(tuple(f"{where}{line}" for line in error.errors)) from error
    said = {name: getattr(written, name) for name in Written.model_fields}
    return ArrangementSource(**said, policy=policy, invariants=invariants)


def engine_of(source: ArrangementSource) -> Engine:
    """An engine over the rules as they are written: its rulings are of no version that was signed."""
    return Engine(Domains(source.federation), source.policy, source.directory, Digest(bytes(32)))
