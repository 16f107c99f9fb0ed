"""Rounds on a real cluster: every ledger is signed and audited with its checkpoints, and a dropped tail is an alarm."""

import time

from broker.admission import SourceMessage
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Lane, activate, apply, fold
from broker.rounds import Rounds
from broker.step import build_step
from broker.versions import make_version
from schemas.checkpoint import parse_checkpoint, parse_note
from schemas.clock import IDENTITY_CLOCK
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.topics import deliver_topic, transactional_id
from schemas.verdicts import Alarm
from tests.integration.live import NCA, OLTIM, Live, assert_exact, until, writing

RECORDS = 10
QUERY = "SELECT alarm, detail FROM alarms ORDER BY id"


async def test_rounds_disturb_nothing_and_every_ledger_is_signed(live: Live) -> None:
    live.heads_every_s = 0.3
    broker = await live.start_broker()
    nodes = [{**live.node(a, RECORDS, 20), "heads_every_s": 30} for a in live.agencies]
    await live.start_nodes(nodes)

    async def signed(least: int) -> bool:
        ledgers = await live.ledgers()
        return all(len(ledger.checkpoints) >= least for ledger in ledgers.values())

    await until(lambda: signed(2), "every ledger is signed twice")
    broker.kill()
    await broker.wait()
    await live.start_broker("second")  # with an index of its own, made from ledgers that hold checkpoints
    await assert_exact(live, RECORDS * len(live.agencies))

    async def whole() -> bool:
        """Everything that a ledger holds is signed once it has come to rest."""
        for ledger in (await live.ledgers()).values():
            last = parse_checkpoint(parse_note(ledger.checkpoints[-1].note).text)
            if last.size != len(ledger.leaves):
                return False
        return True

    await until(whole, "the last checkpoints are over all leaves")
    assert [a.differences for a in await live.audit()] == [[] for _ in live.agencies]
    query = "SELECT compared, min(1) FROM receipts GROUP BY compared"

    def compared() -> bool:
        return all(live.rows(agency, query) == [(1, 1)] for agency in live.agencies)

    await until(compared, "every receipt is held against its lane's ledger")
    assert [live.rows(agency, QUERY) for agency in live.agencies] == [[] for _ in live.agencies]


class Deceiver:
    """A broker that holds the right keys and delivers what it likes."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.pair = SigningPair.from_seeds((live.broker_tls / "signing.key").read_bytes())
        self._version = make_version(live.arrangement)
        self.lanes = {agency: self._activated(agency) for agency in live.agencies}

    def _activated(self, agency: AgencyId) -> Lane:
        index, genesis = MemoryIndex(), self._live.arrangement
        lane = Lane(agency, EMPTY_LANE, {}, {}, index)
        folded = activate(lane, genesis.digest, 0, IDENTITY_CLOCK, genesis.domains)
        index.absorb(folded.index)
        apply(lane, folded)
        return lane

    def decide(self, agency: AgencyId, value: bytes) -> dict[AgencyId, bytes]:
        """Decide on a submission as the rules have it: one deliver parcel for each recipient."""
        lane = self.lanes[agency]
        source = SourceMessage(lane.state.next_offset, time.time_ns() // 1_000_000, value, True)
        folded = fold(lane, [source], {self._live.arrangement.digest: self._version})
        capsules = {**lane.capsules, **folded.capsules}
        out = build_step([(folded, capsules)], self._live.arrangement, self.pair, SystemEntropy())
        assert isinstance(lane.index, MemoryIndex)
        lane.index.absorb(folded.index)
        apply(lane, folded)
        return dict(out.deliver)

    def round_to(self, recipient: AgencyId) -> bytes:
        made = Rounds(self._live.arrangement, self.pair, SystemEntropy()).make(self.lanes, 0)
        return dict(made.deliver)[recipient]


async def test_a_delivery_that_was_dropped_last_is_an_alarm_and_so_is_silence_after_it(live: Live) -> None:
    broker = Deceiver(live)
    parcels: list[bytes] = []
    for sequence in range(1, 40):
        value = live.parcel(NCA, live.drafts(NCA, 1, start=sequence), sequence)
        if (mine := broker.decide(NCA, value).get(OLTIM)) is not None:
            parcels.append(mine)
    assert len(parcels) >= 3
    await live.start_nodes([{**live.node(OLTIM), "heads_every_s": 0.5}])
    topic = deliver_topic(OLTIM, live.prefix)
    async with writing(live.bootstrap, live.broker_tls, transactional_id(0, live.prefix)) as producer:
        async with producer.transaction():
            for value in parcels[:-1]:
                await producer.send(topic, value, partition=0)
        chain = "SELECT number FROM chains WHERE lane = 'gb-nca'"
        await until(lambda: live.rows(OLTIM, chain) == [(len(parcels) - 1,)], "all but the last is stored")
        assert [a for a in live.rows(OLTIM, QUERY) if a[0] != Alarm.SILENCE] == []
        async with producer.transaction():
            await producer.send(topic, broker.round_to(OLTIM), partition=0)

    def raised(alarm: Alarm) -> list[object]:
        return [detail for name, detail in live.rows(OLTIM, QUERY) if name == alarm]

    await until(lambda: bool(raised(Alarm.TAIL_DROPPED)), "the dropped tail is an alarm")
    count = len(parcels)
    assert raised(Alarm.TAIL_DROPPED) == [
        f"lane '{NCA}': numbers {count} to {count} were delivered and never came"
    ]
    assert live.rows(OLTIM, chain) == [(count,)]

    def silent_since() -> bool:
        names = [name for name, _ in live.rows(OLTIM, QUERY)]
        return Alarm.SILENCE in names[names.index(Alarm.TAIL_DROPPED) :]

    await until(silent_since, "the broker falls silent")
    assert NCA in str(raised(Alarm.SILENCE)[-1])
