"""A record that was decided in a run: its labels, when, and the engine of the version that decided it.

Read from what was signed and from the ledgers alone. What the rules say again is held against what the ledger says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from broker.api.signed import Followed
from broker.kafka import Connection
from broker.policy import Engine
from broker.policy.explain.explaining import Explained
from broker.policy.foreseeing import Portion
from broker.policy.recorded import Recorded, outcomes
from broker.versions import Versions
from deploy.errors import DeployError
from deploy.stage.evidence import Ledger, read_ledgers
from deploy.stage.reach import opened, reached
from schemas.codes import Kind, PortionName
from schemas.directory import Directory
from schemas.ids import AgencyId, Digest
from schemas.ledger import Activation, Admitted, Quarantined
from schemas.topics import arrangement_topic
from schemas.transport import client_context
from schemas.verdicts import Refused, Withheld


@dataclass(frozen=True, slots=True)
class Decided:
    """A record's last decision in a ledger. `refused`: it was quarantined, and its labels are not known."""

    originator: AgencyId
    at_ms: int
    engine: Engine
    refused: Refused | None
    kind: Kind | None
    portions: tuple[Portion, ...]
    outcomes: dict[PortionName, dict[AgencyId, Withheld | None]]
    """Of each portion, for each agency that was active."""

    def check(self, explained: Explained) -> None:
        """Raises: `DeployError` where an explanation differs from what the ledger says."""
        for portion in explained.portions:
            decided = self.outcomes[portion.name]
            if decided.get(explained.recipient, portion.withheld) != portion.withheld:
                raise DeployError(
                    f"the ledger of '{self.originator}' says otherwise of '{portion.name}' to "
                    f"'{explained.recipient}'; `entente ledger audit` tells more"
                )


async def read_decided(folder: Path, record_id: bytes) -> tuple[Decided | None, Directory]:
    """What a run's ledgers say of a record, None: nothing; and the directory that was signed last.

    Raises: `deploy.errors.Refused` for a folder that holds no run, `DeployError` where its cluster is not reached.
    """
    run, ceremony = opened(folder)
    genesis, prefix = ceremony.arrangement, run.record.prefix
    async with reached(run) as (bootstrap, tls):
        connection = Connection(bootstrap, client_context(tls))
        signed = Followed(genesis.digest)
        await signed.load(connection, arrangement_topic(prefix))
        lanes = genesis.directory.agency_ids
        ledgers = await read_ledgers(connection, genesis.domains, lanes, prefix)
    found = find_decided(ledgers.values(), signed.versions, record_id)
    return found, signed.version.arrangement.directory


def find_decided(ledgers: Iterable[Ledger], versions: Versions, record_id: bytes) -> Decided | None:
    """The last leaf of a record, whichever lane it is in; None if no leaf is of it."""
    for ledger in ledgers:
        decided: Decided | None = None
        engine: Engine | None = None
        for leaf in ledger.leaves:
            match leaf:
                case Activation():
                    engine = versions[Digest(leaf.arrangement)].engine
                case Admitted() if leaf.record_id == record_id and engine is not None:
                    decided = _admitted(ledger, leaf, engine)
                case Quarantined() if leaf.record_id == record_id and engine is not None:
                    decided = Decided(ledger.lane, leaf.at_ms, engine, leaf.reason, None, (), {})
                case _:
                    pass
        if decided is not None:
            return decided
    return None


def _admitted(ledger: Ledger, leaf: Admitted, engine: Engine) -> Decided:
    recorded = Recorded(ledger.lane, leaf, ledger.rulings)
    decided = {
        PortionName(portion.name): {
            one.recipient: one.withheld for one in outcomes(leaf, portion, recorded.ruling(portion))
        }
        for portion in leaf.portions
    }
    return Decided(ledger.lane, leaf.at_ms, engine, None, Kind(leaf.kind), recorded.portions, decided)
