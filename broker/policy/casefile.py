"""The form of a file of test cases: given labels, who must get which portion, who must not, and why.

    at: 2026-06-04T00:00:00Z
    cases:
      - case: A platform gets the referral of an advert and nothing else of it
        given:
          originator: gb-nca
          kind: online_advert
          portions: {referral: {to: [pf-social]}, base: {to: [fr-oltim]}}
        then:
          referral: {gets: {pf-social: platform-referral}}
          base: {gets: [fr-oltim], not: {pf-social: not_addressed}}

- Every field is checked here by itself; whether what is named exists, `cases` checks against an arrangement.
- A rule or reason that stands alone needs no list.
"""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from broker.policy.drafted import DraftedRecord, Instant
from schemas.codes import PortionName
from schemas.directory import AgencyField
from schemas.model import Model
from schemas.verdicts import Refused


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _receivers(value: object) -> object:
    """`nobody`, a list of agencies, or agency -> rules, as the last."""
    if value == "nobody":
        return {}
    if not value or isinstance(value, str):
        raise ValueError("expected 'nobody', a list of agencies, or agency: rule")
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value, ())
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]


class Expected(Model):
    """What must become of one portion.

    `gets`: who gets it, each with all the rules that permit it; without any: whichever do. `without`, written `not`:
    who does not, each with all the rules that forbid it, or with a reason of `Withheld`. Behind `protection_gate` and
    `not_addressed` may stand what the rules would say were it not for that: their ids, or `no_permit`.
    """

    gets: Annotated[dict[AgencyField, Words], BeforeValidator(_receivers)]
    without: dict[AgencyField, Words] = Field(default_factory=dict, alias="not")


class Supposed(Model):
    """What of the directory is otherwise in a case: fields of agencies, and who is suspended at all times."""

    agencies: dict[AgencyField, dict[str, Any]] = Field(default_factory=dict)
    suspended: tuple[AgencyField, ...] = ()


class WrittenCase(Model):
    """One case. `refused`: why the whole record must be refused, in place of `then`."""

    case: Annotated[str, Field(min_length=1, max_length=160)]
    given: DraftedRecord
    suppose: Supposed = Supposed()
    then: dict[PortionName, Expected] | None = None
    refused: Refused | None = None

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if (self.then is None) is (self.refused is None):
            raise ValueError("expected either 'then' or 'refused'")
        return self


class WrittenCases(Model):
    """A file of cases. `at`: the admission time where a case says none."""

    about: str | None = None
    at: Instant | None = None
    cases: Annotated[tuple[WrittenCase, ...], Field(min_length=1)]
