"""The directory as of one epoch: memberships, postings and suspensions become parents and attributes.

No rule tests a membership or a posting by time; the directory did, before the rules are asked. Between two
epochs nothing here changes, except that a label names officers and so exposes their agency to where they sit.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from broker.policy.entities import AGENCY, Standing, attributes, values
from schemas.audience import named_officers
from schemas.directory import Directory
from schemas.ids import AgencyId
from schemas.labels import Label

EPOCHS: Final = 16
"""So many epochs are remembered: more than one only while lanes lag behind each other."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One agency as of an epoch. `likeness` is equal for agencies that no rule can tell apart but by name."""

    agency: AgencyId
    communities: tuple[str, ...]
    attributes: Mapping[str, object]
    exposed: frozenset[str] | None
    likeness: Hashable

    def entity(self) -> dict[str, object]:
        """The agency in Cedar's JSON."""
        return {
            "uid": {"type": "Agency", "id": self.agency},
            "attrs": self.attributes,
            "parents": [{"type": "Community", "id": c} for c in self.communities],
        }


class Roster:
    """Every agency of a directory as of the epoch that holds at an instant."""

    def __init__(
        self, directory: Directory, at_ms: int, declared: frozenset[str], read: frozenset[str]
    ) -> None:
        """`declared`: the schema's attributes of an agency; `read`: those that some rule reads."""
        self._directory = directory
        self._at_ms = at_ms
        self._declared = declared
        self._read = tuple(sorted(read))
        communities: dict[AgencyId, list[str]] = {a: [] for a in directory.agency_ids}
        for community in directory.communities:
            for member in directory.members(community.id, at_ms):
                communities[member].append(community.id)
        self._communities = {a: tuple(sorted(c)) for a, c in communities.items()}
        self._suspended = {s.agency for s in directory.suspensions if s.holds(at_ms)}
        self.everyone: Mapping[AgencyId, Recipient] = {
            a: self._recipient(a, ()) for a in directory.agency_ids
        }
        """Every agency as no named officer changes it."""

    def recipients(self, originator: str, label: Label) -> list[Recipient]:
        """Everyone but the originator, sorted by id, exposed as the label's named officers make them."""
        return [self._exposed(agency, label) for agency in self.everyone if agency != originator]

    def recipient(self, agency: AgencyId, originator: str, label: Label) -> Recipient:
        """One of `recipients`. Raises: `KeyError` for any other agency."""
        if agency == originator:
            raise KeyError(agency)
        return self._exposed(agency, label)

    def _exposed(self, agency: AgencyId, label: Label) -> Recipient:
        officers = named_officers(label, agency) if label.routing.officers else ()
        return self._recipient(agency, officers) if officers else self.everyone[agency]

    def lists(self, recipient: Recipient) -> bool:
        """Whether it is the one in `everyone`, and not exposed to more by a label."""
        return self.everyone[recipient.agency] is recipient

    def _recipient(self, agency: AgencyId, officers: tuple[str, ...]) -> Recipient:
        standing = Standing(
            self._directory.agency(agency),
            self._directory.exposed_states(agency, self._at_ms, officers),
            agency in self._suspended,
        )
        communities = self._communities[agency]
        likeness = (communities, values(AGENCY, self._read, standing))
        return Recipient(
            agency, communities, attributes(AGENCY, self._declared, standing), standing.exposed, likeness
        )
