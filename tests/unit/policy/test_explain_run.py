"""A record that a run decided is explained as its ledger says, or not at all."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Lane, activate, fold
from broker.policy.explain.explaining import explain
from deploy.cli.policy.explain import app
from deploy.errors import DeployError, Refused
from deploy.stage.decided import Decided, find_decided
from deploy.stage.evidence import Ledger
from schemas.clock import IDENTITY_CLOCK
from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted, RulingEntry
from schemas.rulings import parse_ruling, ruling_digest
from schemas.verdicts import Withheld
from tests.support.federation import ceremony, commit, drafts, leaves, message, parcel, sealer, versions

NCA = AgencyId("gb-nca")


def ledger() -> Ledger:
    """Of a lane that was activated and then decided on twelve records."""
    genesis = ceremony().arrangement
    lane = Lane(NCA, EMPTY_LANE, {}, {}, MemoryIndex())
    first = activate(lane, genesis.digest, 0, IDENTITY_CLOCK, genesis.domains)
    commit(lane, first)
    second = fold(lane, [message(parcel(sealer(NCA), drafts(NCA, 12)), 0)], versions())
    rulings = [e.ruling for e in second.ledger if isinstance(e, RulingEntry)]
    return Ledger(
        NCA,
        [*leaves(first), *leaves(second)],
        {Digest(ruling_digest(genesis.domains, ruling)): parse_ruling(ruling) for ruling in rulings},
    )


def test_a_record_that_was_decided_is_explained_as_its_ledger_says() -> None:
    found = ledger()
    kept = 0
    for leaf in found.leaves:
        if isinstance(leaf, Admitted):
            decided = find_decided([found], versions(), leaf.record_id)
            assert decided is not None
            assert decided.kind is not None
            for to in map(AgencyId, leaf.active):
                told = explain(decided.engine, NCA, decided.kind, decided.portions, to, leaf.at_ms, 0)
                decided.check(told)
                for portion in told.portions:
                    assert portion.withheld == decided.outcomes[portion.name][to]
                    kept += portion.withheld is not None
    assert kept > 20
    assert find_decided([found], versions(), bytes(16)) is None


def test_a_ledger_that_says_otherwise_is_not_explained_away() -> None:
    found = ledger()
    leaf = next(leaf for leaf in found.leaves if isinstance(leaf, Admitted))
    decided = find_decided([found], versions(), leaf.record_id)
    assert decided is not None
    assert decided.kind is not None
    to = AgencyId(leaf.active[0])
    told = explain(decided.engine, NCA, decided.kind, decided.portions, to, leaf.at_ms, 0)
    other = {
        name: {a: None if why else Withheld.NO_PERMIT for a, why in of.items()}
        for name, of in decided.outcomes.items()
    }
    lying = Decided(NCA, leaf.at_ms, decided.engine, None, decided.kind, decided.portions, other)
    with pytest.raises(DeployError, match="says otherwise"):
        lying.check(told)


def test_what_is_no_run_or_no_record_is_refused(tmp_path: Path) -> None:
    for record, words in (("record.yaml", "32 hexadecimal digits"), ("0" * 32, "holds no run")):
        found = CliRunner().invoke(app, [record, "--to", "us-hsi", "--run", str(tmp_path)]).exception
        assert isinstance(found, Refused)
        assert words in str(found)
