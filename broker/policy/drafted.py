"""A record's labels as people write them down, to be tested, explained or compared: no content, nothing sealed.

    originator: gb-nca
    kind: online_advert
    portions:
      referral: {to: [pf-social]}
      persons: {to: [fr-oltim], subjects: [suspect], origins: [XA]}

- Each portion starts from the label that its kind starts from (`schemas.records`); what is written replaces it.
- `to` names agencies, communities and officers together; the directory tells which is which.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BeforeValidator, Field, StrictBool

from broker.policy.entities import CODES
from broker.policy.foreseeing import Portion
from schemas.clock import instant
from schemas.codes import (
    Caveat,
    HandlingCode,
    InformationGrade,
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import AgencyField, Directory, instant_ms
from schemas.http.labels import Day
from schemas.ids import AgencyId, CommunityId, OfficerId
from schemas.labels import Handling, Label, Routing, ordered, retain_until
from schemas.model import Model
from schemas.records import KINDS
from schemas.records.kind import StartLabel

_EPOCH_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a day, no instant


def _written_out(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("expected date and time with a time zone, such as 2026-01-31T00:00:00Z")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""An instant as people write it: a bare number, which pydantic would read as seconds since 1970, is refused."""


class DraftedLabel(Model):
    """A portion's label: what is left out is as the record kind starts it, or nothing. Grades start as B and 2."""

    to: tuple[str, ...] = ()
    """Agencies, communities and officers, by their ids."""
    tlp: Tlp | None = None
    handling_codes: tuple[HandlingCode, ...] | None = None
    source: SourceGrade = SourceGrade.B
    information: InformationGrade = InformationGrade.TWO
    purposes: tuple[Purpose, ...] | None = None
    subjects: tuple[SubjectCategory, ...] = ()
    special: tuple[SpecialCategory, ...] = ()
    caveats: tuple[Caveat, ...] | None = None
    grounds: tuple[ProtectionGround, ...] = ()
    protection_cleared: StrictBool = False
    origins: tuple[State, ...] = ()
    retain_until: Day | None = None

    def label(self, start: StartLabel, directory: Directory, at_ms: int) -> Label:
        """The label with what the kind starts it from. Raises: `KeyError` with an id that the directory lacks."""
        codes, caveats = self.handling_codes, self.caveats
        return Label(
            Handling(
                self.tlp or start.tlp,
                ordered(start.handling_codes if codes is None else codes),
                self.source,
                self.information,
                ordered(start.purposes if self.purposes is None else self.purposes),
                ordered(self.subjects),
                ordered(self.special),
                ordered(start.caveats if caveats is None else caveats),
                ordered(self.grounds),
                self.protection_cleared,
                ordered(self.origins),
                retain_until(at_ms, start.retain_days)
                if self.retain_until is None
                else self.retain_until.toordinal() - _EPOCH_DAY,
            ),
            routing(self.to, directory),
        )


class DraftedRecord(Model):
    """A record's labels: who would publish it, of which kind, when, each portion's label.

    `at`: the admission time, in the clock that the arrangement's intervals use; whoever reads the record says which
    instant is meant where none is written.
    """

    originator: AgencyField
    kind: Kind
    at: Instant | None = None
    portions: Annotated[dict[PortionName, DraftedLabel], Field(min_length=1)]

    def at_ms(self, otherwise_ms: int) -> int:
        """Milliseconds since 1970 of `at`, or of the instant that is meant where none is written."""
        return otherwise_ms if self.at is None else instant_ms(self.at)

    def labelled(self, directory: Directory, at_ms: int) -> tuple[Portion, ...]:
        """The portions with whole labels.

        Raises: `KeyError` with a portion that the kind does not have, or an id that the directory lacks.
        """
        spec = KINDS[self.kind]
        return tuple(
            Portion(name, label.label(spec.portions[name].start, directory, at_ms))
            for name, label in self.portions.items()
        )


def routing(to: tuple[str, ...], directory: Directory) -> Routing:
    """Agencies, communities and officers told apart. Raises: `KeyError` with an id that is none of them."""
    communities = {c.id for c in directory.communities}
    agencies: set[AgencyId] = set()
    teams: set[CommunityId] = set()
    officers: set[OfficerId] = set()
    for name in to:
        if name in directory.agency_ids:
            agencies.add(AgencyId(name))
        elif name in communities:
            teams.add(CommunityId(name))
        elif directory.officer(name) is not None:
            officers.add(OfficerId(name))
        else:
            raise KeyError(name)
    return Routing(ordered(agencies), ordered(teams), ordered(officers))


def drafted(
    originator: AgencyId, kind: Kind, at_ms: int, portions: Mapping[PortionName, Label]
) -> dict[str, object]:
    """Labels that were decided, or found by a proof, as a document that `DraftedRecord` reads; every field written."""
    return {
        "originator": originator,
        "kind": str(kind),
        "at": instant(at_ms).isoformat().replace("+00:00", "Z"),
        "portions": {str(name): _label(label) for name, label in portions.items()},
    }


def _label(label: Label) -> dict[str, object]:
    handling, routed = label.handling, label.routing
    written: dict[str, object] = {
        "to": [*routed.agencies, *routed.communities, *routed.officers],
        "tlp": str(handling.tlp),
        "source": str(handling.source),
        "information": str(handling.information),
        "retain_until": datetime.fromordinal(_EPOCH_DAY + handling.retain_until).date().isoformat(),
    }
    for name in CODES:
        values = [str(value) for value in getattr(handling, name)]
        if values or name in ("handling_codes", "purposes", "caveats"):  # these would start from the kind's
            written[name] = values
    if handling.protection_cleared:
        written["protection_cleared"] = True
    return written
