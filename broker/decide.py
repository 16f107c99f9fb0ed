"""Deciding: the gate and the rules on labels, for every recipient x portion, each with its reason.

- Default deny: released only where the gate is open, the originator addressed it, no rule forbids and
  some rule permits.
- Who was addressed at sealing and is addressed no longer (left, suspended) is not released to.
- Content plays no part: it is ciphertext here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.admission import AdmittedPortion, AdmittedRecord
from broker.versions import Version
from schemas.audience import addressed
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest
from schemas.labels import Label
from schemas.rulings import Ruling


@dataclass(frozen=True, slots=True)
class Labelled:
    """All that a decision reads of a portion. `audience`: who it was sealed for."""

    name: str
    label: Label
    bears_persons: bool
    audience: frozenset[AgencyId]


@dataclass(frozen=True, slots=True)
class Ruled:
    """What becomes of a portion: its ruling, who was addressed and is no longer, and who it is released to, sorted."""

    ruling_digest: Digest
    ruling_bytes: bytes
    ruling: Ruling
    departed: tuple[AgencyId, ...]
    released_to: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class DecidedPortion:
    """A portion with the ruling on its label and those it is released to, sorted."""

    portion: AdmittedPortion
    ruling_digest: Digest
    ruling_bytes: bytes
    ruling: Ruling
    departed: tuple[AgencyId, ...]
    released_to: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one admitted record. `active`: the other agencies, each of them a pair."""

    record: AdmittedRecord
    portions: tuple[DecidedPortion, ...]
    active: tuple[AgencyId, ...]


def decide(record: AdmittedRecord, version: Version, lane: AgencyId, at_ms: int) -> Decision:
    """Decide on every portion and every active agency but the originator."""
    active = others(version, lane, at_ms)
    labelled = [Labelled(p.slot.name, p.label, p.bears_persons, p.audience) for p in record.portions]
    ruled = rule_on(record.envelope.manifest.kind, labelled, active, version, lane, at_ms)
    portions = tuple(
        DecidedPortion(p, r.ruling_digest, r.ruling_bytes, r.ruling, r.departed, r.released_to)
        for p, r in zip(record.portions, ruled, strict=True)
    )
    return Decision(record, portions, active)


def others(version: Version, lane: AgencyId, at_ms: int) -> tuple[AgencyId, ...]:
    """The active agencies but the originator: each of them is a pair."""
    return tuple(a for a in version.arrangement.directory.active(at_ms) if a != lane)


def rule_on(
    kind: str,
    portions: Sequence[Labelled],
    active: Sequence[AgencyId],
    version: Version,
    lane: AgencyId,
    at_ms: int,
) -> list[Ruled]:
    """Decide on the labels of one record's portions; content and keys play no part."""
    directory = version.arrangement.directory
    whole = surroundings((p.bears_persons, p.label.handling) for p in portions)
    ruled = []
    for portion in portions:
        digest, data, ruling = version.engine.rule(
            originator=lane, kind=kind, portion=portion.name, label=portion.label, record=whole, at_ms=at_ms
        )
        still = portion.audience & addressed(portion.label, lane, directory, at_ms)
        released = tuple(sorted((ruling.permitted & still).intersection(active)))
        ruled.append(Ruled(digest, data, ruling, tuple(sorted(portion.audience - still)), released))
    return ruled
