"""Deciding on labels: gate, addressees and rules for every recipient x portion of one record, each with its reason.

- Default deny: released only where the gate is open, the originator addressed it, no rule forbids and some permits.
- Who was addressed at sealing and is addressed no longer (left, suspended) is not released to.
- Content and keys play no part; whoever holds labels can ask: admission, a replay, a preview, a test case.
"""

from collections.abc import Sequence

import msgspec

from broker.policy.ruling import Engine
from schemas.audience import addressed
from schemas.directory import Directory
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest
from schemas.labels import Label
from schemas.rulings import Ruling


class Labelled(msgspec.Struct, frozen=True, gc=False):
    """All that a decision reads of a portion. `audience`: who it was sealed for."""

    name: str
    label: Label
    bears_persons: bool
    audience: frozenset[AgencyId]


class Ruled(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a portion: its ruling, who was addressed and is no longer, and who it is released to, sorted.

    From `since_ms` until before `until_ms` no rule's comparison with the instant turns: within that span, and in one
    epoch of the directory, the same labels are ruled on alike.
    """

    ruling_digest: Digest
    ruling_bytes: bytes
    ruling: Ruling
    departed: tuple[AgencyId, ...]
    released_to: tuple[AgencyId, ...]
    since_ms: int
    until_ms: int


def others(directory: Directory, originator: AgencyId, at_ms: int) -> tuple[AgencyId, ...]:
    """The active agencies but the originator: each of them is a pair."""
    return tuple(a for a in directory.active(at_ms) if a != originator)


def rule_on(
    kind: str,
    portions: Sequence[Labelled],
    active: Sequence[AgencyId],
    engine: Engine,
    originator: AgencyId,
    at_ms: int,
) -> list[Ruled]:
    """Decide on the labels of one record's portions."""
    whole = surroundings((p.bears_persons, p.label.handling) for p in portions)
    ruled = []
    for portion in portions:
        since_ms, until_ms, (digest, data, ruling) = engine.lasting(
            originator=originator,
            kind=kind,
            portion=portion.name,
            label=portion.label,
            record=whole,
            at_ms=at_ms,
        )
        still = portion.audience & addressed(portion.label, originator, engine.directory, at_ms)
        released = tuple(sorted((ruling.permitted & still).intersection(active)))
        departed = tuple(sorted(portion.audience - still))
        ruled.append(Ruled(digest, data, ruling, departed, released, since_ms, until_ms))
    return ruled
