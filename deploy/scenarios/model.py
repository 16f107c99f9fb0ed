"""The scenario language: what a scenario's YAML may say, as models that also make its JSON schema.

- Cast and rules come from an arrangement; the *background* is what agencies publish day by day; the *timeline* has
  single acts, surges and changes of the arrangement; *expectations* say who must and who must not have what.
- Times are instants of domain time with a time zone. Intervals are half-open.
- Where a list of names is asked for, one name will do.
- What needs the arrangement to be checked (ids, portions, rules) is checked by `deploy.scenarios.loader`.
"""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict

from deploy.scenarios.expected import Expected
from deploy.scenarios.fields import (
    At,
    CaveatField,
    GroundField,
    HandlingCodeField,
    KindField,
    Many,
    Name,
    PurposeField,
    Sentence,
    Span,
    SpecialField,
    StateField,
    SubjectField,
    TlpField,
)
from schemas.codes import PortionName, SubjectCategory
from schemas.directory import Community, Officer, Suspension
from schemas.model import Model

_PORTION_KEYS: Final[JsonDict] = {"propertyNames": {"enum": [str(name.value) for name in PortionName]}}


class Background(Span):
    """What agencies, by id or by role, publish day by day: so many records each, spread by chance."""

    agencies: Many[str] = Field(min_length=1)
    per_day: Annotated[float, Field(gt=0, le=100_000)]


class PortionTerms(Model):
    """What is fixed of a portion and its label; the rest is the kind's start label and the protective reading."""

    to: Many[str] = ()
    """Releasable to: agencies, communities, officers, by id."""
    tlp: TlpField | None = None
    handling_codes: Many[HandlingCodeField] | None = None
    purposes: Many[PurposeField] | None = None
    subjects: Many[SubjectField] | None = None
    special: Many[SpecialField] | None = None
    caveats: Many[CaveatField] | None = None
    grounds: Many[GroundField] | None = None
    origins: Many[StateField] | None = None
    cleared: bool | None = None
    retain_days: Annotated[int, Field(ge=0, le=36_500)] | None = None


class Publish(Model):
    """A record that an agency publishes. Without portions the analyst chooses them, and whom they go to."""

    id: Name
    agency: str
    kind: KindField
    portions: dict[str, PortionTerms] = Field(default_factory=dict, json_schema_extra=_PORTION_KEYS)
    links: dict[str, str] = Field(default_factory=dict)
    """A sort of thing in the world -> its name, such as `engine: engine-7`; equal names are the same thing."""
    exactly: bool = False
    """Admitted at this very instant: the clock stands still there."""


class Correct(Model):
    """The next revision of a record. What a portion does not say here stays as it was."""

    id: Name
    agency: str
    of: str
    """An earlier act of this agency."""
    portions: dict[str, PortionTerms] = Field(default_factory=dict, json_schema_extra=_PORTION_KEYS)
    exactly: bool = False


class Seizure(Model):
    """Short for an `asset_seizure`: things to some, money to others, persons to others."""

    id: Name
    agency: str
    to: Many[str]
    money_to: Many[str] = ()
    persons_to: Many[str] = ()
    subjects: Many[SubjectField] = (SubjectCategory.SUSPECT,)
    origins: Many[StateField] = ()
    cleared: bool = False
    links: dict[str, str] = Field(default_factory=dict)
    exactly: bool = False


class ReturnCase(Model):
    """Short for a `return_case`: base and person to the same agencies, by name."""

    id: Name
    agency: str
    to: Many[str] = Field(min_length=1)
    subjects: Many[SubjectField] = Field(min_length=1)
    grounds: Many[GroundField] = ()
    origins: Many[StateField] = Field(min_length=1)
    cleared: bool = False
    links: dict[str, str] = Field(default_factory=dict)
    exactly: bool = False


class AdvertTakenDown(Model):
    """Short for a platform's removal report on an advert that was published before."""

    id: Name
    agency: str
    advert: str
    """The act that referred the advert; the report speaks of the same one."""
    to: Many[str] = Field(min_length=1)
    exactly: bool = False


class Surge(Model):
    """For a time agencies, by id or by role, publish so many times as much in the background."""

    agencies: Many[str] = Field(min_length=1)
    times: Annotated[float, Field(gt=0, le=1000)]
    until: At


class ChangeTerms(Model):
    """A new version of the arrangement, in force from its instant on."""

    note: Sentence
    """What changes, in plain words."""
    signed_by: Many[str] = Field(min_length=1)
    communities: tuple[Community, ...] = ()
    """Added, or replaced by id."""
    officers: tuple[Officer, ...] = ()
    """Added, or replaced by id."""
    suspensions: tuple[Suspension, ...] = ()
    """Added."""
    end_suspensions: Many[str] = ()
    """Agencies whose suspension ends at this instant."""
    signing_until: dict[str, At | None] = Field(default_factory=dict)
    """Agency -> until when its signing key is good; null: until a version says otherwise."""
    rules: dict[str, str] = Field(default_factory=dict)
    """File of rules, such as `winter.cedar` -> its text; added or replaced."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(
            (
                self.communities,
                self.officers,
                self.suspensions,
                self.end_suspensions,
                self.signing_until,
                self.rules,
            )
        ):
            raise ValueError(
                "expected something that changes, such as communities, officers, suspensions or rules"
            )
        return self


DEEDS: Final = ("publish", "correct", "seizure", "return_case", "advert_taken_down", "surge", "change")


class Entry(Model):
    """What happens at an instant: exactly one of these."""

    at: At
    publish: Publish | None = None
    correct: Correct | None = None
    seizure: Seizure | None = None
    return_case: ReturnCase | None = None
    advert_taken_down: AdvertTakenDown | None = None
    surge: Surge | None = None
    change: ChangeTerms | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(getattr(self, deed) is not None for deed in DEEDS) != 1:
            raise ValueError(f"expected exactly one of {', '.join(DEEDS)}")
        return self

    @property
    def deed(self) -> str:
        """Which one it is."""
        return next(deed for deed in DEEDS if getattr(self, deed) is not None)


class Scenario(Model):
    """A scenario as it is written."""

    name: Name
    title: Sentence
    arrangement: str
    """A shipped arrangement by name, or a folder, from where the scenario lies."""
    start: At
    end: At
    seed: Annotated[int, Field(ge=0)] = 1
    background: tuple[Background, ...] = ()
    timeline: tuple[Entry, ...] = ()
    expectations: tuple[Expected, ...] = ()

    @field_validator("end", mode="after")
    @classmethod
    def _forward(cls, end: datetime, said: ValidationInfo) -> datetime:
        start = said.data.get("start")
        if start is not None and start >= end:
            raise ValueError("expected an instant after start")
        return end

    def holds(self, at: datetime) -> bool:
        """Whether the instant lies in the scenario."""
        return self.start <= at < self.end
