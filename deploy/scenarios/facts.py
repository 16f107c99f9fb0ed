"""What ledgers and databases say of a screenplay's acts: where each one went, who stored it, and what was decided.

Everything is looked up by manifest digest, from an agency's own outbox over its ledger to the reception logs of the
others; no counter of the code under test is read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from broker.index import outcomes
from deploy.scenarios.background import chosen
from deploy.scenarios.expected import Where
from deploy.scenarios.screenplay import Screenplay
from deploy.stage.evidence import Ledger, Published, StoreEvidence
from schemas.clock import ClockMap
from schemas.directory import instant_ms
from schemas.ids import AgencyId, Digest, record_text
from schemas.labels import parse_handling, parse_routing
from schemas.ledger import Activation, Admitted, LedgerPortion, Quarantined
from schemas.verdicts import Verdict, Withheld

#: Fields of `Where` that are lists of codes in a handling label.
_CODES = ("handling_codes", "purposes", "subjects", "special", "caveats", "grounds", "origins")


@dataclass(frozen=True, slots=True)
class Subject:
    """A record, or one portion of it. `what`: as people are told of it; `leaf`: None if its ledger knows nothing."""

    what: str
    lane: AgencyId
    manifest: bytes | None
    leaf: Admitted | Quarantined | None
    portion: str | None = None

    def portions(self) -> Iterator[LedgerPortion]:
        """Its portions as decided, or the one."""
        if isinstance(self.leaf, Admitted):
            yield from (p for p in self.leaf.portions if self.portion in (None, p.name))


@dataclass(frozen=True)
class Facts:
    """Looks things up in the evidence of one run."""

    screenplay: Screenplay
    ledgers: Mapping[AgencyId, Ledger]
    stores: Mapping[AgencyId, StoreEvidence]
    clock: ClockMap

    def agencies(self, names: Iterable[str]) -> tuple[AgencyId, ...]:
        """Agencies by id and role."""
        return chosen(names, self.screenplay.source.directory)

    def acts(self, names: Iterable[str], portions: Collection[str]) -> list[Subject]:
        """The records of acts, or each of the portions named."""
        found = []
        for name in names:
            lane, record = self._published(name)
            leaf = None if record is None else self._leaf(lane, record)
            manifest = None if record is None else record.manifest
            whole = Subject(f"'{name}'", lane, manifest, leaf)
            found += [_portion(whole, portion) for portion in portions] or [whole]
        return found

    def admitted(self, where: Where, portions: Collection[str]) -> list[Subject]:
        """The admitted records that fit, or those portions of them that are named or have labels that fit."""
        found = []
        originators = self.agencies(where.originator) if where.originator else tuple(self.ledgers)
        for lane in originators:
            for leaf in self.ledgers[lane].leaves:
                if not isinstance(leaf, Admitted) or not _fits(where, leaf):
                    continue
                whole = Subject(
                    f"{leaf.kind} {record_text(leaf.record_id)[-12:]} of {lane}", lane, leaf.manifest, leaf
                )
                if not portions and not where.of_labels:
                    found.append(whole)
                    continue
                found += [
                    _portion(whole, p.name)
                    for p in leaf.portions
                    if (not portions or p.name in portions) and _labelled(where, p)
                ]
        return found

    def stored(self, holder: AgencyId, subject: Subject) -> list[int]:
        """When the holder stored portions of the subject, in domain time; empty if it holds none."""
        lines = self._received.get((holder, subject.lane, subject.manifest), {})
        return [at for portion, at in lines.items() if subject.portion in (None, portion)]

    def holdings(self, holder: AgencyId) -> Iterator[tuple[str, str, str]]:
        """Of all that an agency stored of others: originator, kind, portion."""
        for (agency, lane, manifest), lines in self._received.items():
            if agency == holder:
                leaf = self._by_manifest.get((lane, manifest))
                kind = leaf.kind if isinstance(leaf, Admitted) else "a record that no ledger knows"
                yield from ((lane, kind, portion) for portion in lines)

    def verdicts(
        self, subject: Subject, recipients: Collection[str]
    ) -> Iterator[tuple[str, Verdict, Withheld | None]]:
        """Of each portion: its name, and the verdict on each of the recipients that was active then."""
        if not isinstance(subject.leaf, Admitted):
            return
        rulings = self.ledgers[subject.lane].rulings
        for portion in subject.portions():
            for verdict, why in outcomes(portion, rulings[Digest(portion.ruling)]):
                if verdict.recipient in recipients and verdict.recipient in subject.leaf.active:
                    yield portion.name, verdict, why

    def version(self, subject: Subject) -> int | None:
        """Number of the arrangement's version under which the ledger has the subject; the first is 0."""
        if subject.leaf is None:
            return None
        seen: list[bytes] = []
        for leaf in self.ledgers[subject.lane].leaves:
            if leaf.number >= subject.leaf.number:
                break
            if isinstance(leaf, Activation) and leaf.arrangement not in seen:
                seen.append(leaf.arrangement)
        return len(seen) - 1

    def values(self, name: str, fields: Collection[str]) -> set[str]:
        """Every text and number under the fields in the contents that an act's agency published."""
        _, record = self._published(name)
        return set() if record is None else set(_values(record.portions, fields, False))

    # -- look-ups ------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[str, tuple[AgencyId, int]]:
        acts = self.screenplay.acts.items()
        return {act.name: (agency, place) for agency, of in acts for place, act in enumerate(of)}

    @cached_property
    def _outboxes(self) -> dict[tuple[AgencyId, int | None], Published]:
        return {(agency, p.plan_index): p for agency, store in self.stores.items() for p in store.published}

    @cached_property
    def _by_manifest(self) -> dict[tuple[str, bytes | None], Admitted | Quarantined]:
        found: dict[tuple[str, bytes | None], Admitted | Quarantined] = {}
        for lane, ledger in self.ledgers.items():
            for leaf in ledger.leaves:
                if isinstance(leaf, Admitted):
                    found[lane, leaf.manifest] = leaf
                elif isinstance(leaf, Quarantined) and leaf.manifest:
                    found.setdefault((lane, leaf.manifest), leaf)
        return found

    @cached_property
    def _by_place(self) -> dict[tuple[str, int | None, int | None], Quarantined]:
        return {
            (lane, leaf.offset, leaf.entry): leaf
            for lane, ledger in self.ledgers.items()
            for leaf in ledger.leaves
            if isinstance(leaf, Quarantined)
        }

    @cached_property
    def _received(self) -> dict[tuple[AgencyId, str, bytes | None], dict[str, int]]:
        """Holder, lane, manifest -> portion -> when it was stored, in domain time."""
        found: dict[tuple[AgencyId, str, bytes | None], dict[str, int]] = {}
        for holder, store in self.stores.items():
            for line in store.received:
                at = self.clock.to_domain(line.received_at_ms)
                lines = found.setdefault((holder, line.lane, line.manifest), {})
                for portion in line.portions:
                    lines.setdefault(portion, at)
        return found

    def _published(self, name: str) -> tuple[AgencyId, Published | None]:
        agency, place = self._places[name]
        return agency, self._outboxes.get((agency, place))

    def _leaf(self, lane: AgencyId, record: Published) -> Admitted | Quarantined | None:
        return self._by_manifest.get((lane, record.manifest)) or self._by_place.get(
            (lane, record.offset, record.entry)
        )


def _portion(whole: Subject, portion: str) -> Subject:
    return Subject(
        f"the portion {portion} of {whole.what}", whole.lane, whole.manifest, whole.leaf, str(portion)
    )


def _fits(where: Where, leaf: Admitted) -> bool:
    if where.kind and leaf.kind not in where.kind:
        return False
    span = where.admitted
    if span is None:
        return True
    late_enough = span.start is None or instant_ms(span.start) <= leaf.at_ms
    return late_enough and (span.until is None or leaf.at_ms < instant_ms(span.until))


def _labelled(where: Where, portion: LedgerPortion) -> bool:
    handling, routing = parse_handling(portion.handling), parse_routing(portion.routing)
    wanted: dict[str, tuple[StrEnum, ...]] = {name: getattr(where, name) for name in _CODES}
    return (
        all(not codes or set(codes) & set(getattr(handling, name)) for name, codes in wanted.items())
        and (not where.tlp or handling.tlp in where.tlp)
        and (where.cleared is None or handling.protection_cleared is where.cleared)
        and (
            not where.to or bool({*routing.agencies, *routing.communities, *routing.officers} & set(where.to))
        )
    )


def _values(value: object, fields: Collection[str], inside: bool) -> Iterator[str]:
    """Texts and numbers under the fields, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _values(inner, fields, inside or name in fields)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner, fields, inside)
    elif inside and isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
