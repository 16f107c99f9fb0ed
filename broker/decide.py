"""Deciding: the gate and the rules on labels, for every recipient x portion, each with its reason.

- Default deny: released only where the gate is open, the originator addressed it, no rule forbids and
  some rule permits.
- Who was addressed at sealing and is addressed no longer (left, suspended) is not released to.
- Content plays no part: it is ciphertext here.
"""

from dataclasses import dataclass

from broker.admission import AdmittedPortion, AdmittedRecord
from broker.versions import Version
from schemas.audience import addressed
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest
from schemas.rulings import Ruling
from schemas.verdicts import outcome


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
    directory = version.arrangement.directory
    active = tuple(a for a in directory.active(at_ms) if a != lane)
    whole = surroundings((p.bears_persons, p.label.handling) for p in record.portions)
    decided = []
    for portion in record.portions:
        digest, data, ruling = version.engine.rule(
            originator=lane,
            kind=record.envelope.manifest.kind,
            portion=portion.slot.name,
            label=portion.label,
            record=whole,
            at_ms=at_ms,
        )
        still = portion.audience & addressed(portion.label, lane, directory, at_ms)
        released = tuple(
            v.recipient
            for v in ruling.verdicts
            if v.recipient in active and outcome(v, v.recipient in still) is None
        )
        departed = tuple(sorted(portion.audience - still))
        decided.append(DecidedPortion(portion, digest, data, ruling, departed, released))
    return Decision(record, tuple(decided), active)
