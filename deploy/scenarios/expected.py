"""Expectations as they are written: about acts or chosen records, and what must hold of them at the end.

They are checked by `deploy.scenarios.expectations`, on evidence.
"""

from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from deploy.scenarios.fields import (
    At,
    CaveatField,
    GroundField,
    HandlingCodeField,
    KindField,
    Many,
    PortionField,
    PurposeField,
    RefusedField,
    Sentence,
    Span,
    SpecialField,
    StateField,
    SubjectField,
    TlpField,
)
from schemas.model import Model

NOT_ACTIVE: Final = "not_active"
"""Beside the reasons of `schemas.verdicts.Withheld`: the agency was suspended when the record was admitted."""


class Where(Model):
    """Chooses admitted records by what they are and how they are labelled; in each field one of the values is enough.

    With fields of the label it chooses portions, and an expectation about it is about each of them.
    """

    kind: Many[KindField] = ()
    originator: Many[str] = ()
    """Agencies by id or by role."""
    admitted: Span | None = None
    to: Many[str] = ()
    """Releasable to one of these ids: agencies, communities, officers."""
    tlp: Many[TlpField] = ()
    handling_codes: Many[HandlingCodeField] = ()
    purposes: Many[PurposeField] = ()
    subjects: Many[SubjectField] = ()
    special: Many[SpecialField] = ()
    caveats: Many[CaveatField] = ()
    grounds: Many[GroundField] = ()
    origins: Many[StateField] = ()
    cleared: bool | None = None

    @property
    def of_labels(self) -> bool:
        """Whether it chooses portions rather than records."""
        return self.cleared is not None or any(
            (
                self.to,
                self.tlp,
                self.handling_codes,
                self.purposes,
                self.subjects,
                self.special,
                self.caveats,
                self.grounds,
                self.origins,
            )
        )


class Holdings(Model):
    """All that some agencies may hold of others, whatever happens."""

    agencies: Many[str] = Field(min_length=1)
    kinds: Many[KindField] = Field(min_length=1)
    portions: Many[PortionField] = Field(min_length=1)


class Expected(Model):
    """What must hold at the end, read from databases and ledgers. What was never tried does not hold.

    `about` names acts, `where` chooses records; `portion` narrows both to portions. Without it, to have a record is to
    have any portion of it, and not to have it is to have none. Lists of agencies take ids and roles.
    """

    name: Sentence
    about: Many[str] = ()
    where: Where | None = None
    portion: Many[PortionField] = ()
    has: Many[str] = ()
    has_not: Many[str] = ()
    has_only: Many[str] | None = None
    """These have it and nobody else has; an empty list: nobody."""
    why: str | None = None
    """With has_not or has_only: why it was withheld; a reason, or the id of the rule that forbids it."""
    fired: str | None = None
    """A rule that is among those which decided: on each agency named, or on any one if none is."""
    by: At | None = None
    """With has or has_only: stored before this instant, or at it."""
    admitted: Span | None = None
    """Admitted within the span."""
    quarantined: RefusedField | None = None
    """Refused at admission, for this reason."""
    decided_under: Annotated[int, Field(ge=0)] | None = None
    """The version that decided on it; the first is 0, each change makes the next."""
    same: Many[str] = ()
    """The acts' contents have a value in common under these fields, such as `serial`."""
    holds_only: Holdings | None = None

    @field_validator("has_only", mode="before")
    @classmethod
    def _nobody(cls, value: object) -> object:
        if value is None:
            raise ValueError("expected a list of agencies; [] is nobody")
        return value

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.holds_only is not None:
            if self.about or self.where is not None:
                raise ValueError("expected holds_only alone: it is about all that the agencies hold")
        elif bool(self.about) == (self.where is not None):
            raise ValueError("expected one of about (acts), where (a choice of records), holds_only")
        if not self.questions:
            raise ValueError("expected what must hold, such as has or has_not")
        if self.why is not None and not self.has_not and self.has_only is None:
            raise ValueError("expected why with has_not or has_only")
        if self.by is not None and not self.has and not self.has_only:
            raise ValueError("expected by with has or has_only")
        if self.where is not None and (self.quarantined is not None or self.same):
            raise ValueError("expected quarantined and same with acts by name (about)")
        if self.same and len(self.about) < 2:
            raise ValueError("expected two acts or more for same")
        return self

    @property
    def questions(self) -> tuple[str, ...]:
        """Which of its questions it asks."""
        asked = ("fired", "admitted", "quarantined", "decided_under", "holds_only", "has_only")
        return (
            *(name for name in asked if getattr(self, name) is not None),
            *(name for name in ("has", "has_not", "same") if getattr(self, name)),
        )
