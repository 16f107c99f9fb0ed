"""A federation for measuring: real keys from a real ceremony, the shipped rules, as many partners as asked for."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from itertools import cycle
from pathlib import Path

from agencies.judging import Judge
from agencies.keystore import Keystore
from agencies.opening import Opener
from agencies.sealing import Sealer
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, apply
from broker.versions import Version, make_version
from deploy.arrangements import SHIPPED, ArrangementSource, read_arrangement
from deploy.arrangements.loader import DIRECTORY_FILE
from deploy.ceremony import hold_ceremony
from deploy.pki import Authority
from schemas.clock import IDENTITY_CLOCK
from schemas.directory import Directory
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair

NOW_MS = 1_790_000_000_000  # 2026-09-21, inside the intervals of the shipped arrangement
ORIGINATOR = AgencyId("gb-nca")

_PARTNER = """  - id: {id}
    name: Partner number {number}, invented
    role: police
    states: [{state}]
    exposed_states: []
"""
_STATES = ("DE", "NL", "BE", "ES", "PL", "AT", "GR", "PT", "SE", "DK")
_SHIPPED_PARTNERS = 2  # of the originator, in `g7-small`


def shipped(name: str) -> ArrangementSource:
    """An arrangement as shipped."""
    return read_arrangement(SHIPPED / name)


def small() -> ArrangementSource:
    """`g7-small` as shipped: five agencies."""
    return shipped("g7-small")


def wide(folder: Path, partners: int) -> ArrangementSource:
    """`g7-small` and more police agencies, so that an originator has as many law-enforcement partners."""
    for path in sorted((SHIPPED / "g7-small").rglob("*")):
        if path.suffix in {".yaml", ".cedar", ".cedarschema"}:
            copy = folder / path.relative_to(SHIPPED / "g7-small")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    more = "".join(
        _PARTNER.format(id=f"{state.lower()}-police{i}", number=i, state=state)
        for i, state in zip(range(1, partners - _SHIPPED_PARTNERS + 1), cycle(_STATES), strict=False)
    )
    text = (folder / DIRECTORY_FILE).read_text()
    (folder / DIRECTORY_FILE).write_text(text.replace("\nagencies:\n", f"\nagencies:\n{more}", 1))
    return read_arrangement(folder)


class Members:
    """Everybody's keys, and what each builds on them. A new object starts with empty caches."""

    def __init__(self, source: ArrangementSource, folder: Path, authority: Authority) -> None:
        self.source = source
        self.ceremony = hold_ceremony(source, folder, authority)
        self.arrangement = self.ceremony.arrangement
        self._keystores: dict[AgencyId, Keystore] = {}

    @property
    def directory(self) -> Directory:
        return self.source.directory

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        return self.directory.agency_ids

    @cached_property
    def version(self) -> Version:
        """One rule engine for all: its rulings stay warm."""
        return make_version(self.arrangement)

    def versions(self) -> Mapping[Digest, Version]:
        """The version with a seal verifier that has seen nothing: each seal is paid for anew."""
        fresh = dataclasses.replace(self.version, windows=self.arrangement.window_verifier())
        return {self.arrangement.digest: fresh}

    @cached_property
    def broker_pair(self) -> SigningPair:
        return SigningPair.from_seeds((self.ceremony.broker / "keys" / "signing.key").read_bytes())

    def keystore(self, agency: AgencyId) -> Keystore:
        if agency not in self._keystores:
            self._keystores[agency] = Keystore(self.ceremony.agency(agency) / "keys")
        return self._keystores[agency]

    def sealer(self, agency: AgencyId) -> Sealer:
        return Sealer(agency, self.arrangement, self.keystore(agency).signing, SystemEntropy())

    def judge(self, agency: AgencyId) -> Judge:
        opener = Opener(agency, self.arrangement.domains, self.keystore(agency).opening)
        return Judge(agency, self.arrangement, opener, {})

    def lane(self, agency: AgencyId) -> Lane:
        """A lane in memory after the activation of the genesis."""
        lane = Lane(agency, EMPTY_LANE, {}, {}, MemoryIndex())
        commit(lane, activate(lane, self.arrangement.digest, 0, IDENTITY_CLOCK, self.arrangement.domains))
        return lane


def commit(lane: Lane, folded: Folded) -> None:
    """Make a fold the state of a lane in memory."""
    assert isinstance(lane.index, MemoryIndex)
    lane.index.absorb(folded.index)
    apply(lane, folded)
