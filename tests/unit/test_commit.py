"""A step folded on top of one that is not committed yet comes to the same, and a failure leaves no trace."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agencies.judging import Delivered, UnknownVersion
from broker.admission import SourceMessage
from broker.commit import Commits, Lanes, Prepared, Signer, Work
from broker.errors import StepFailed
from broker.index import SqliteIndex
from broker.kafka import Record
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.step import state_records
from deploy.secretariat import propose_broker_key
from schemas.arrangement import countersign, verify_successor
from schemas.clock import IDENTITY_CLOCK
from schemas.entropy import SeededEntropy
from schemas.frames import parse_parcel
from schemas.keys import SigningPair
from schemas.ledger import entry_bytes
from schemas.seal import parse_seal
from schemas.topics import deliver_topic
from tests.support.federation import drafts, message, parcel
from tests.support.members import members
from tests.vectors.scenes import FR, GB

M = members()


class Cluster:
    """Stands for the producer: keeps what was committed, and lets a transaction wait or fail as told."""

    def __init__(self) -> None:
        self.committed: list[Record] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def transact(self, records: Sequence[Record]) -> None:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.committed += records


@asynccontextmanager
async def committing(path: Path) -> AsyncIterator[tuple[Commits, Cluster, Lane]]:
    index, cluster = SqliteIndex(path), Cluster()
    lane = Lane(GB, EMPTY_LANE, {}, {}, index.lane(GB))
    signer = Signer(M.arrangement, M.broker, SeededEntropy(b"heads"))
    commits = Commits(0, "", cluster, index, {GB: lane}, signer)  # type: ignore[arg-type]
    genesis = M.arrangement.digest
    await commits.commit(lambda now: [activate(now[GB], genesis, 0, IDENTITY_CLOCK, M.domains)])
    yield commits, cluster, lane
    await commits.discard()
    index.close()


def submissions(count: int) -> list[SourceMessage]:
    """Windows of one lane, each with records, the first with the capsules of all; a repeat of the first at the end."""
    by = M.sealer(GB)
    values = [parcel(by, drafts(GB, 3, start=3 * i), 3 * i + 1) for i in range(count - 1)]
    return [message(value, i) for i, value in enumerate([*values, values[0]])]


def folding(*messages: SourceMessage) -> Work:
    def work(lanes: Lanes) -> list[Folded]:
        return [fold(lanes[GB], messages, M.versions)]

    return work


def said(steps: Sequence[Prepared]) -> list[bytes]:
    """All that is a function of the folds: ledger entries, certificates, and the state at the end."""
    entries = [entry_bytes(e) for s in steps for f in s.folds for e in f.ledger]
    certificates = [share.certificate for s in steps for f in s.folds for _, share in f.shares]
    return [*entries, *certificates, *(v for f in steps[-1].folds for _, v in state_records(f))]


async def test_a_step_on_top_of_one_in_flight_says_what_it_says_after_it(tmp_path: Path) -> None:
    messages = submissions(5)
    async with committing(tmp_path / "one") as (commits, _, lane):
        one_by_one = []
        for each in messages:
            step = commits.prepare(folding(each))
            commits.launch(step)
            assert await commits.land()
            one_by_one.append(step)
        end = lane.state, dict(lane.heads), dict(lane.capsules)
    async with committing(tmp_path / "two") as (commits, cluster, lane):
        overlapped = []
        for each in messages:
            cluster.open.set()
            step = await asyncio.to_thread(commits.prepare, folding(each))
            await commits.land()
            cluster.open.clear()
            commits.launch(step)
            overlapped.append(step)
            assert commits.flying
            assert lane.state.next_offset == each.offset, "the state is ahead of what is committed"
        cluster.open.set()
        assert await commits.land()
        assert not await commits.land()
        assert said(overlapped) == said(one_by_one)
        assert (lane.state, lane.heads, lane.capsules) == end
        # A step rests on the index alone, not on all the steps before it
        assert [f.index._below for f in overlapped[-1].folds] == [lane.index]


async def test_a_transaction_that_fails_takes_along_what_was_folded_on_top(tmp_path: Path) -> None:
    first, second, *_ = submissions(4)
    async with committing(tmp_path / "one") as (commits, cluster, lane):
        before, written = lane.state, list(cluster.committed)
        lost = commits.prepare(folding(first))
        cluster.open.clear()
        commits.launch(lost)
        on_top = commits.prepare(folding(second))
        cluster.failure = ConnectionError("the cluster is away")
        cluster.open.set()
        with pytest.raises(ConnectionError):
            await commits.land()
        assert (lane.state, lane.heads, lane.capsules, cluster.committed) == (before, {}, {}, written)
        cluster.failure = None
        again = commits.prepare(folding(first))
        commits.launch(again)
        then = commits.prepare(folding(second))
        await commits.land()
        assert said([again]) == said([lost])
        assert said([then]) == said([on_top])


def to_fr(step: Prepared) -> list[bytes]:
    return [r.value for r in step.records if r.topic == deliver_topic(FR)]


def signers(value: bytes) -> set[bytes]:
    """Who has sealed anything in a parcel that is not GB."""
    found = {parse_seal(seal).signer for seal in parse_parcel(value).seals}
    return found - {M.signing[GB].public.key_id(M.domains)}


async def test_another_signer_follows_between_two_steps_and_a_recipient_takes_both(tmp_path: Path) -> None:
    """The second step is folded while one by the old key is in flight, and says what it would have said by that key."""
    new, (first, second, *_) = SigningPair.generate(), submissions(4)
    async with committing(tmp_path / "old") as (commits, _, _lane):
        commits.launch(commits.prepare(folding(first)))
        by_the_old = commits.prepare(folding(second))
        await commits.land()
    async with committing(tmp_path / "new") as (commits, cluster, _lane):
        cluster.open.clear()
        before = commits.prepare(folding(first))
        commits.launch(before)
        commits.signer = Signer(M.arrangement, new, SeededEntropy(b"heads"))
        after = commits.prepare(folding(second))
        cluster.open.set()
        await commits.land()
        assert said([after]) == said([by_the_old])
    (one,), (two,) = to_fr(before), to_fr(after)
    assert signers(one) == {M.broker.public.key_id(M.domains)}
    assert signers(two) == {new.public.key_id(M.domains)}

    judge = M.judge(FR)
    assert judge.judge(Delivered(0, 0, one, True), all_read=False).received
    with pytest.raises(UnknownVersion):  # nothing has moved: it reads what was signed, and judges again
        judge.judge(Delivered(0, 1, two, True), all_read=False)
    data = countersign(propose_broker_key(M.arrangement, new.public), M.identities)
    judge.learn(verify_successor(data, M.arrangement))
    judged = judge.judge(Delivered(0, 1, two, True), all_read=False)
    assert judged.received
    assert (judged.bad, judged.alarms) == ([], [])


async def test_what_a_fold_raises_is_raised_again_and_nothing_is_launched(tmp_path: Path) -> None:
    def broken(_: Lanes) -> list[Folded]:
        raise ValueError("cannot be folded")

    async with committing(tmp_path / "one") as (commits, _, _lane):
        with pytest.raises(StepFailed, match=r"ValueError at broker/commit\.py"):
            commits.prepare(broken)
        assert not commits.flying
