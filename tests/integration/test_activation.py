"""What members sign takes effect in every lane of a running federation at an offset, and replays equal."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from deploy.arrangements import ArrangementSource
from deploy.secretariat import (
    Secretariat,
    countersigned,
    propose_change,
    propose_version,
    read_identities,
)
from schemas.arrangement import ArrangementError
from schemas.directory import Community, Membership, Suspension
from schemas.ids import AgencyId, CommunityId, Digest
from schemas.ledger import Activation, Admitted, Quarantined
from schemas.topics import FEDERATION, arrangement_topic
from schemas.verdicts import Refused
from tests.integration.live import NCA, OLTIM, PDS, XA, Live, assert_exact, begun, more, until, writing

RECORDS = 60  # of each agency
PACE = 2.0  # slow, so that the change falls into the middle on a slow machine, too


@pytest_asyncio.fixture
async def secretariat(live: Live) -> AsyncIterator[Secretariat]:
    office = Secretariat.of(
        live.bootstrap, live.ceremony.tls(FEDERATION), live.admin_tls, live.prefix, live.arrangement
    )
    yield office
    await office.close()


def signed(live: Live, data: bytes, agencies: Sequence[AgencyId] = (NCA, OLTIM, PDS)) -> bytes:
    return countersigned(data, live.arrangement, read_identities(live.folder, agencies))


def with_suspension(source: ArrangementSource) -> ArrangementSource:
    """The arrangement with xa-np suspended from now on, and one more team."""
    directory = source.directory
    team = Community(
        id=CommunityId("jit-new"),
        name="A team made while running",
        members=(Membership(agency=NCA), Membership(agency=PDS)),
    )
    suspension = Suspension(agency=XA, start=datetime.now(UTC), reason="a test")
    changed = directory.model_copy(
        update={
            "communities": (*directory.communities, team),
            "suspensions": (*directory.suspensions, suspension),
        }
    )
    return dataclasses.replace(source, directory=type(directory).model_validate(changed.model_dump()))


#: A rule that lets source states in by way of a community, and a promise that it breaks.
OPENED = """
@id("source-state-community")
@reason("A source state gets whatever is addressed to a community that it is in.")
@legal_basis("none")
permit (principal is Agency, action == Action::"receive", resource is Portion)
when { principal.role == AgencyRole::"source_state" && principal in resource.to_communities };
"""
PROMISE = """
invariants:
  - id: source-states-by-name
    says: A source state gets nothing that does not name it.
    never: principal.role == AgencyRole::"source_state" && !(principal in resource.to_agencies)
"""


def with_a_promise(source: ArrangementSource, rule: str = "") -> ArrangementSource:
    """The arrangement with the promise, and one more rule."""
    body = source.policies | ({"sharing/opened.cedar": rule} if rule else {})
    return dataclasses.replace(source, policies=body, invariants_text=PROMISE)


async def publish_raw(live: Live, data: bytes) -> None:
    producer: AIOKafkaProducer
    async with writing(live.bootstrap, live.ceremony.tls(FEDERATION)) as producer:
        await producer.send_and_wait(arrangement_topic(live.prefix), data, partition=0)


async def test_a_version_takes_effect_at_an_offset_while_records_flow(
    live: Live, secretariat: Secretariat
) -> None:
    broker = await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    genesis = await secretariat.refresh()
    await more(live, 20, "records flow")

    proposal = propose_version(genesis.arrangement, with_suspension(live.source))
    with pytest.raises(ArrangementError, match="bears 2 good signatures of 3 needed"):
        await secretariat.publish(signed(live, proposal, (NCA, OLTIM)))
    await publish_raw(live, b"not signed by anybody")
    await publish_raw(live, signed(live, proposal, (NCA,)))

    data = signed(live, proposal)
    await secretariat.refresh()
    standing = await secretariat.publish(data)
    broker.kill()
    await broker.wait()
    successor = await live.start_broker("broker-2")
    await secretariat.activated(standing)
    await assert_exact(live, RECORDS * len(live.agencies))
    assert "refused what was signed" in successor.said()

    version = standing.arrangement.digest
    for lane, ledger in (await live.ledgers()).items():
        turns = [leaf for leaf in ledger.leaves if isinstance(leaf, Activation)]
        assert [Digest(t.arrangement) for t in turns] == [live.arrangement.digest, version]
        before = [
            leaf for leaf in ledger.leaves[: turns[1].number] if isinstance(leaf, Admitted | Quarantined)
        ]
        after = [
            leaf for leaf in ledger.leaves[turns[1].number :] if isinstance(leaf, Admitted | Quarantined)
        ]
        assert all(leaf.offset < turns[1].offset for leaf in before)
        assert all(leaf.offset >= turns[1].offset for leaf in after)
        assert after, "nothing was published under the new version"
        if lane == XA:
            assert {leaf.reason for leaf in after if isinstance(leaf, Quarantined)} == {
                Refused.ORIGINATOR_NOT_ACTIVE
            }
            assert not any(isinstance(leaf, Admitted) for leaf in after)
            continue
        assert all(XA in leaf.active for leaf in before)
        assert not any(XA in leaf.active for leaf in after)
        for leaf in after:
            assert isinstance(leaf, Admitted)
            assert {ledger.rulings[Digest(p.ruling)].arrangement for p in leaf.portions} == {version}
    kept = live.rows(NCA, "SELECT arrangement FROM activations ORDER BY number")
    assert [row[0] for row in kept] == [live.arrangement.digest, version]


async def test_a_version_that_breaks_its_promise_is_not_published_and_what_held_holds_on(
    live: Live, secretariat: Secretariat
) -> None:
    await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    await secretariat.refresh()
    kept = propose_version(secretariat.history.current.arrangement, with_a_promise(live.source))
    standing = await secretariat.publish(signed(live, kept))
    await secretariat.activated(standing)

    broken = propose_version(standing.arrangement, with_a_promise(live.source, OPENED))
    told = "version 2: proofs: 1 of 2 hold .*\n.*source-states-by-name: A source state gets nothing"
    with pytest.raises(ArrangementError, match=told):
        await secretariat.publish(signed(live, broken))
    assert (await secretariat.refresh()).arrangement.digest == standing.arrangement.digest
    before = {lane: len(ledger.leaves) for lane, ledger in (await live.ledgers()).items()}
    await more(live, 10, "records flow on under the version that held")
    after = await live.ledgers()
    assert sum(len(ledger.leaves) for ledger in after.values()) > sum(before.values())
    for activation in (await secretariat.activations()).values():
        assert activation is not None
        assert Digest(activation.arrangement) == standing.arrangement.digest
    # A version without the rule follows as any other: nothing of the refused one stands in its way.
    back = propose_version(standing.arrangement, live.source)
    await secretariat.activated(await secretariat.publish(signed(live, back)))


async def test_a_clock_is_signed_and_activated_like_a_version(live: Live, secretariat: Secretariat) -> None:
    await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    standing = await secretariat.refresh()
    await more(live, 10, "records flow")
    begins = time.time_ns() // 1_000_000 + 2000
    clock = standing.clock.runs(begins, 500_000_000)
    standing = await secretariat.publish(signed(live, propose_change(secretariat.history, clock)))
    await secretariat.activated(standing)
    await assert_exact(live, RECORDS * len(live.agencies))
    now = time.time_ns() // 1_000_000

    ledgers = await live.ledgers()
    ahead = 0
    for ledger in ledgers.values():
        leaves = [leaf for leaf in ledger.leaves if isinstance(leaf, Admitted)]
        assert not any(isinstance(leaf, Quarantined) for leaf in ledger.leaves)
        assert all(leaf.created_s * 1000 <= leaf.at_ms for leaf in leaves)
        assert leaves == sorted(leaves, key=lambda leaf: leaf.at_ms)
        ahead += sum(leaf.at_ms > now for leaf in leaves)
    assert ahead > 10, "domain time runs five hundred times as fast"


async def test_workers_that_start_together_do_not_fence_each_other_for_ever(live: Live) -> None:
    workers = [live.start(f"broker-{n}", "broker", live.broker_settings(f"broker-{n}")) for n in range(3)]
    for worker in workers:
        await live.said(worker, "ready")
    await live.start_nodes([live.node(a, 4) for a in live.agencies])
    await assert_exact(live, 20)
    await until(lambda: sum(w.alive for w in workers) == 1, "all that do not own the shard have ended")
    assert sorted(w.returncode or 0 for w in workers) == [0, 3, 3]


async def test_an_index_that_cannot_be_used_is_built_anew(live: Live) -> None:
    broker = await live.start_broker()
    await live.start_nodes([live.node(a, 6, PACE) for a in live.agencies])
    await begun(live, 10, "records are decided")
    broker.kill()
    await broker.wait()
    index = live.ceremony.broker / "state-broker" / "index-0.sqlite"
    for path in index.parent.glob("index-0.sqlite*"):
        await asyncio.to_thread(path.write_bytes, b"this is no database" * 1000)
    broker = live.start("broker", "broker", live.broker_settings("broker"))
    await live.said(broker, "ready")
    await assert_exact(live, 30)
