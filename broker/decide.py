"""What becomes of one admitted record: each portion with its ruling and those it is released to.

How it is decided stands in `broker.policy.deciding`; content plays no part: it is ciphertext here.
"""

from dataclasses import dataclass

from broker.admission import AdmittedPortion, AdmittedRecord
from broker.policy.deciding import Labelled, others, rule_on
from broker.versions import Version
from schemas.ids import AgencyId, Digest
from schemas.rulings import Ruling


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
    active = others(version.engine.directory, lane, at_ms)
    labelled = [Labelled(p.slot.name, p.label, p.bears_persons, p.audience) for p in record.portions]
    ruled = rule_on(record.envelope.manifest.kind, labelled, active, version.engine, lane, at_ms)
    portions = tuple(
        DecidedPortion(p, r.ruling_digest, r.ruling_bytes, r.ruling, r.departed, r.released_to)
        for p, r in zip(record.portions, ruled, strict=True)
    )
    return Decision(record, portions, active)
