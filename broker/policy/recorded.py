"""What a ledger says was decided: its entries in ledger order become records, each with the rulings that it names.

- Entries are the bytes that a ledger topic or an exported ledger holds. A leaf that was read before is dropped by its
  number, as every reader does; a leaf that is missing is an error, since a history with a hole compares nothing.
- Only admitted records were decided on. What admission refused is counted, and no more is made of it.
- A ruling's name is its digest; nothing else is verified. `entente verify ledger` tells who vouches for a ledger.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from broker.policy.foreseeing import Foreseen, Portion, foreseen_by
from schemas.canonical import Domains
from schemas.clock import LAST_MS
from schemas.codes import PortionName
from schemas.frames import BadFrame
from schemas.ids import AgencyId, Digest
from schemas.labels import Label, parse_handling, parse_routing
from schemas.ledger import (
    Admitted,
    LeafEntry,
    LedgerPortion,
    Quarantined,
    RulingEntry,
    parse_leaf,
    parse_ledger_entry,
)
from schemas.rulings import Ruling, parse_ruling, ruling_digest


class HistoryError(Exception):
    """A ledger that cannot be read; the message names originator, leaf and what was expected."""

    retriable = False


def outcomes(leaf: Admitted, portion: LedgerPortion, ruling: Ruling) -> tuple[Foreseen, ...]:
    """A portion's outcome for each other agency that was active then, in the order of their ids.

    Raises: `KeyError` for an agency that the ruling does not speak of.
    """
    still = set(portion.audience) - set(portion.departed)
    return tuple(foreseen_by(ruling.verdict(agency), agency in still) for agency in leaf.active)


@dataclass(frozen=True)
class Recorded:
    """An admitted record as its originator's ledger has it. `rulings`: at least those that it names, by digest."""

    lane: AgencyId
    leaf: Admitted
    rulings: Mapping[Digest, Ruling]

    def ruling(self, portion: LedgerPortion) -> Ruling:
        """The ruling that decided a portion. Raises: `HistoryError` if the ledger never wrote it."""
        found = self.rulings.get(Digest(portion.ruling))
        if found is None:
            raise self.error(f"portion '{portion.name}' names a ruling that was not written before it")
        return found

    @cached_property
    def portions(self) -> tuple[Portion, ...]:
        """The portions with their labels, parsed. Raises: `HistoryError`."""
        return tuple(self._portion(portion) for portion in self.leaf.portions)

    def _portion(self, portion: LedgerPortion) -> Portion:
        try:
            label = Label(parse_handling(portion.handling), parse_routing(portion.routing))
            return Portion(PortionName(portion.name), label)
        except (ValueError, msgspec.MsgspecError) as error:
            raise self.error(
                f"portion '{portion.name}': expected a label that is known here: {error}"
            ) from error

    def error(self, message: str) -> HistoryError:
        """An error about this leaf."""
        return HistoryError(f"ledger of '{self.lane}', leaf {self.leaf.number}: {message}")


class LaneHistory:
    """One originator's ledger, read entry by entry. What it keeps are the rulings, not the leaves."""

    def __init__(self, domains: Domains, lane: AgencyId) -> None:
        """`domains`: of the federation whose ledger it is."""
        self.lane = lane
        self.leaves = 0
        self.quarantined = 0
        """Records and messages that admission refused."""
        self._domains = domains
        self._rulings: dict[Digest, Ruling] = {}

    def read(self, entry: bytes) -> Recorded | None:
        """Take in the next entry: the record that it admits, or None. Raises: `HistoryError`."""
        try:
            parsed = parse_ledger_entry(entry)
            match parsed:
                case LeafEntry():
                    return self._leaf(parsed.leaf)
                case RulingEntry():
                    named = ruling_digest(self._domains, parsed.ruling)
                    if named not in self._rulings:
                        self._rulings[named] = parse_ruling(parsed.ruling)
        except (BadFrame, msgspec.MsgspecError) as error:
            expected = f"expected a leaf, a ruling or a checkpoint: {error}"
            raise HistoryError(f"ledger of '{self.lane}', after {self.leaves} leaves: {expected}") from error
        return None

    def read_all(self, entries: Iterable[bytes]) -> Iterator[Recorded]:
        """The records that entries admit. Raises: `HistoryError`."""
        for entry in entries:
            if (record := self.read(entry)) is not None:
                yield record

    def _leaf(self, data: bytes) -> Recorded | None:
        leaf = parse_leaf(data)
        if leaf.number < self.leaves:
            return None
        if leaf.number > self.leaves:
            raise HistoryError(
                f"ledger of '{self.lane}': leaf {leaf.number} stands where {self.leaves} is expected"
            )
        self.leaves += 1
        if isinstance(leaf, Quarantined):
            self.quarantined += 1
        if not isinstance(leaf, Admitted):
            return None
        record = Recorded(self.lane, leaf, self._rulings)
        if leaf.at_ms > LAST_MS:
            raise record.error(f"expected an admission time of years 1970 to 9999, found {leaf.at_ms} ms")
        return record
