"""What the labels of a record say under the arrangement, read once for all records that are labelled alike.

- All of it follows from the labels' bytes, the kind, the versions and the directory at the record's creation. So an
  answer is the same remembered or not, and nobody learns whether a label was met before.
- One `Labelling` stands for all records that share it: what is decided is remembered by it (`broker.decide`).
- Long labels are read anew each time, and the more agencies there are, the fewer answers are remembered: strangers'
  labels may fill this memory.
"""

from typing import Final

import msgspec

from broker.policy.deciding import Labelled
from broker.policy.memory import Recent
from schemas.arrangement import Arrangement
from schemas.audience import audience, by_recipient
from schemas.ids import AgencyId
from schemas.labels import Label, UnknownCode, parse_handling, parse_routing
from schemas.records import KINDS
from schemas.verdicts import Refused

#: Labellings, or decisions, remembered at most, and how long the labels of one may be.
_REMEMBERED: Final = 2048
_REMEMBERED_BYTES: Final = 2048
#: Agencies in all of them together: each is named in some hundred bytes, several times in a decision.
_AGENCIES: Final = 100_000
_LEAST: Final = 64

_NEVER: Final = 1 << 62

#: Name, handling and routing of each portion, as received.
Labels = tuple[tuple[str, bytes, bytes], ...]


def remembered(agencies: int) -> int:
    """How many labellings, or decisions on them, are remembered in a federation of so many agencies."""
    return max(_LEAST, min(_REMEMBERED, _AGENCIES // agencies))


class Labelling(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The labels of a record's portions, in their order, and whom they address."""

    kind: str
    names: tuple[str, ...]
    portions: tuple[Labelled, ...]
    sealed_for: tuple[tuple[AgencyId, ...], ...]
    """The audience of each portion, sorted."""
    recipients: tuple[tuple[AgencyId, int], ...]
    """Who is addressed at all, sorted: bit i stands for the i-th portion."""
    retain_until: int
    """The last day, since 1970-01-01, on which every portion may be kept."""
    shared: bool
    """Whether records labelled alike are given this very object: then what is decided on it is worth remembering."""


class LabelReader:
    """Reads labels where one version is active. Not for use by several threads at once."""

    def __init__(self, active: Arrangement) -> None:
        self._active = active
        self._known: Recent[tuple[object, ...], Labelling | Refused] = Recent(
            remembered(len(active.directory.agency_ids))
        )

    def read(
        self, kind: str, labels: Labels, originator: str, sealed: Arrangement | None, at_ms: int
    ) -> Labelling | Refused:
        """Steps 12 to 14 of admission.

        `sealed`: the version that the record was sealed under, None for one that is not known; `at_ms`: its creation.
        """
        if sealed is None or sum([len(h) + len(r) for _, h, r in labels]) > _REMEMBERED_BYTES:
            return self._read(kind, labels, originator, sealed, at_ms, shared=False)
        key = (kind, labels, originator, sealed.digest, sealed.directory.epoch_of(at_ms))
        found = self._known.get(key)
        if found is None:
            found = self._read(kind, labels, originator, sealed, at_ms, shared=True)
            self._known.put(key, found)
        return found

    def _read(
        self,
        kind: str,
        labels: Labels,
        originator: str,
        sealed: Arrangement | None,
        at_ms: int,
        *,
        shared: bool,
    ) -> Labelling | Refused:
        # 12: kind and portion names are known
        spec = KINDS.get(kind)
        if spec is None:
            return Refused.UNKNOWN_KIND
        names = tuple([name for name, _, _ in labels])
        if len(set(names)) != len(names) or not spec.portions.keys() >= set(names):
            return Refused.UNKNOWN_PORTION
        # 13: label codes are of the closed lists, and sets in the one order that they have
        try:
            read = [
                Label(parse_handling(handling), parse_routing(routing)) for _, handling, routing in labels
            ]
        except UnknownCode:
            return Refused.UNKNOWN_LABEL_CODE
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            return Refused.MALFORMED
        # 14: the version it was sealed under; its labels name only what that and the active version know
        if sealed is None:
            return Refused.UNKNOWN_VERSION
        bears = [spec.portions[name].bears_persons for name in names]
        for label in read:
            if not sealed.directory.knows(label.routing):
                return Refused.LABEL_NOT_IN_ARRANGEMENT
            if sealed is not self._active and not self._active.directory.knows(label.routing):
                return Refused.LABEL_NOT_IN_ARRANGEMENT
        for label, persons in zip(read, bears, strict=True):
            if persons and not (label.handling.subjects and label.handling.origins):
                return Refused.INCOMPLETE_LABEL
        portions = tuple(
            [
                Labelled(name, label, persons, audience(label, persons, originator, sealed.directory, at_ms))
                for name, label, persons in zip(names, read, bears, strict=True)
            ]
        )
        return Labelling(
            kind,
            names,
            portions,
            tuple([tuple(sorted(p.audience)) for p in portions]),
            by_recipient(tuple([p.audience for p in portions])),
            min([p.label.handling.retain_until for p in portions], default=_NEVER),
            shared,
        )
