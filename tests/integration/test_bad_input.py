"""What a careless or hostile agency can write: each message costs one leaf with its reason, and the lane goes on.

Written with the agency's own TLS identity; no node of it runs, so that the test alone writes its lane. The other
agencies' nodes run and store what is good.
"""

import random
from collections import Counter
from functools import partial

import msgspec

from agencies.sealing import Control, Sealer
from deploy.processes import Child
from deploy.stage.evidence import Ledger
from schemas.certifying import released_of
from schemas.clock import SystemClock
from schemas.controls import ControlCode
from schemas.entropy import SystemEntropy
from schemas.frames import MAX_PARCEL, PREFIX, Parcel, pack_parcel, parse_parcel
from schemas.ids import AgencyId, new_record_id
from schemas.keys import SigningPair
from schemas.ledger import Admitted, ControlNoted, Duplicate, Leaf, Quarantined
from schemas.topics import deliver_topic, submit_topic
from schemas.verdicts import Refused, Unopened
from tests.integration.live import NCA, PDS, Live, until, writing

GARBAGE = 12


def spoilt(live: Live) -> list[tuple[bytes, bytes | None, list[tuple[str, bytes]], Refused]]:
    """(value, key, headers, expected reason); every parcel among them holds one record, so one leaf each."""
    r = random.Random(20)
    good = live.parcel(NCA, live.drafts(NCA, 1, start=100), 1)
    parcel = parse_parcel(good)
    stranger = Sealer(NCA, live.arrangement, SigningPair.generate(), SystemEntropy())
    draft = live.drafts(NCA, 1, start=101)[0]
    forged = stranger.seal_window([stranger.close_record(draft, 1)], [], 1)
    seal = bytearray(parcel.seals[0])
    seal[-1] ^= 1  # the last byte of a signature
    broken_seal = pack_parcel(msgspec.structs.replace(parcel, seals=(bytes(seal),)))
    foreign = live.parcel(PDS, live.drafts(PDS, 1), 1)
    entry = bytearray(parcel.entries[0])
    entry[len(entry) // 2] ^= 1
    touched = pack_parcel(msgspec.structs.replace(parcel, entries=(bytes(entry),)))
    control = Control("gossip", new_record_id(SystemClock(), SystemEntropy()), b"")
    unknown = live.sealer(NCA).seal_window([], [control], 1)
    live.sealer(NCA).forget_keys()  # the capsules in what is refused never arrive
    bare: list[tuple[bytes, Refused]] = [
        *((r.randbytes(r.randrange(1, 4000)), Refused.BAD_MAGIC) for _ in range(GARBAGE)),
        *((PREFIX + r.randbytes(r.randrange(1, 4000)), Refused.MALFORMED) for _ in range(GARBAGE)),
        (b"", Refused.BAD_MAGIC),
        (b"ENTENTE" + b"\xff" + good[8:], Refused.UNSUPPORTED_VERSION),
        (good[: len(good) // 2], Refused.MALFORMED),
        (good + b"\0", Refused.MALFORMED),
        (r.randbytes(5_040_000), Refused.TOO_LARGE),
        (good.ljust(MAX_PARCEL + 1, b"\0"), Refused.TOO_LARGE),
        (forged, Refused.UNKNOWN_SIGNER),
        (broken_seal, Refused.BAD_SEAL),
        (foreign, Refused.UNKNOWN_SIGNER),
        (pack_parcel(msgspec.structs.replace(parcel, seals=())), Refused.BAD_SEAL),
        (unknown, Refused.UNKNOWN_CONTROL),
    ]
    return [
        *((value, None, [], reason) for value, reason in bare),
        (good, b"a key", [], Refused.KAFKA_KEY_OR_HEADERS),
        (good, b"", [], Refused.KAFKA_KEY_OR_HEADERS),
        (good, None, [("a", b"header")], Refused.KAFKA_KEY_OR_HEADERS),
        (touched, None, [], Refused.BAD_SLOT),
    ]


async def test_submissions(live: Live) -> None:
    worker = await live.start_broker()
    await live.start_nodes([live.node(a) for a in live.others(NCA)])
    generation = await live.generation()
    before = len(await live.leaves(NCA))
    bad = spoilt(live)
    offsets = []
    async with writing(live.bootstrap, live.tls(NCA)) as producer:
        for value, key, headers, _ in bad:
            sent = await producer.send_and_wait(
                submit_topic(NCA, live.prefix), value, key=key, headers=headers, partition=0
            )
            offsets.append(sent.offset)
    drafts = live.drafts(NCA, 3)
    good = live.parcel(NCA, drafts[:1], 1)
    await live.submit(NCA, good)
    leaves = await wait_for_leaves(live, before + len(bad) + 1)
    refused = leaves[before:-1]
    assert all(isinstance(leaf, Quarantined) for leaf in refused)
    found = [(leaf.offset, leaf.reason) for leaf in refused if isinstance(leaf, Quarantined)]
    expected = [reason for _, _, _, reason in bad]
    # A flipped bit may also make the entry itself unreadable; everything else has exactly one right answer.
    assert found[-1][1] in {Refused.BAD_SLOT, Refused.MALFORMED, Refused.BAD_PATH, Refused.BAD_WRAP}
    assert found[:-1] == list(zip(offsets, expected, strict=True))[:-1]
    assert isinstance(leaves[-1], Admitted)
    holders = await stored_by_all_entitled(live, drafts[0].record_id)

    # A resend: dropped, counted, delivered to nobody a second time.
    delivered = {a: await live.read(deliver_topic(a, live.prefix)) for a in holders}
    await live.submit(NCA, good)
    leaves = await wait_for_leaves(live, before + len(bad) + 2)
    assert isinstance(leaves[-1], Duplicate)
    assert leaves[-1].sequence == 1
    await live.submit(NCA, live.parcel(NCA, drafts[1:], 2))
    await wait_for_leaves(live, before + len(bad) + 4)
    await stored_by_all_entitled(live, drafts[2].record_id)
    for agency, messages in delivered.items():
        now = await live.read(deliver_topic(agency, live.prefix))
        assert now[: len(messages)] == messages
        numbers = live.rows(agency, "SELECT lane, number FROM reception_log")
        assert max(Counter(numbers).values()) == 1

    assert await live.generation() == generation
    assert_undisturbed(worker)


async def test_deliveries(live: Live) -> None:
    """What is not the broker's own on a deliver topic goes to the recipient's quarantine; the stream goes on."""
    worker = await live.start_broker()
    await live.start_nodes([live.node(a) for a in live.others(NCA)])
    r = random.Random(21)
    first, second = live.drafts(NCA, 1), live.drafts(NCA, 1)  # two records for the same agencies
    await live.submit(NCA, live.parcel(NCA, first, 1))
    holders = await stored_by_all_entitled(live, first[0].record_id)
    victim = holders[0]
    topic = deliver_topic(victim, live.prefix)
    [true, *_] = await live.read(topic)
    parcel = parse_parcel(true.value)
    submission = live.parcel(NCA, live.drafts(NCA, 1), 2)  # a frame of another kind of topic
    bad: list[tuple[bytes, bytes | None, Unopened]] = [
        (r.randbytes(700), None, Unopened.BAD_MAGIC),
        (PREFIX + r.randbytes(700), None, Unopened.MALFORMED),
        (b"ENTENTE\x09" + true.value[8:], None, Unopened.UNSUPPORTED_VERSION),
        (true.value[:-5], None, Unopened.MALFORMED),
        (r.randbytes(MAX_PARCEL + 1), None, Unopened.TOO_LARGE),
        (true.value, b"key", Unopened.KAFKA_KEY_OR_HEADERS),
        (pack_parcel(Parcel(0, (), (), parse_parcel(submission).entries)), None, Unopened.MALFORMED),
        (pack_parcel(msgspec.structs.replace(parcel, entries=parcel.entries[:1])), None, Unopened.BAD_HEAD),
    ]
    async with writing(live.bootstrap, live.admin_tls) as producer:
        for value, key, _ in bad:
            await producer.send_and_wait(topic, value, key=key, partition=0)
        await producer.send_and_wait(topic, true.value, partition=0)  # an honest repeat is dropped by number
    await live.submit(NCA, live.parcel(NCA, second, 2))
    assert victim in await stored_by_all_entitled(live, second[0].record_id)  # behind all that is bad
    assert [reason for _, reason in live.rows(victim, "SELECT id, reason FROM quarantine ORDER BY id")] == [
        reason for _, _, reason in bad
    ]
    kept = [data for (data,) in live.rows(victim, "SELECT bytes FROM quarantine ORDER BY id")]
    assert kept[0] == bad[0][0]
    numbers = live.rows(victim, "SELECT lane, number FROM reception_log")
    assert max(Counter(numbers).values()) == 1
    assert_undisturbed(worker)


async def test_forged_receipts(live: Live) -> None:
    """A receipt that its sender did not sign is no receipt."""
    await live.start_broker()
    await live.start_nodes([live.node(a) for a in live.others(NCA)])
    body = b"\x00\x01"
    control = Control(ControlCode.RECEIPT, new_record_id(SystemClock(), SystemEntropy()), body)
    await live.submit(NCA, live.sealer(NCA).seal_window([], [control], 1))
    leaves = await wait_for_leaves(live, 2)
    assert isinstance(leaves[-1], Quarantined)
    assert leaves[-1].reason is Refused.MALFORMED
    for agency in live.others(NCA):
        assert not any(isinstance(leaf, ControlNoted) for leaf in await live.leaves(agency))


async def wait_for_leaves(live: Live, count: int) -> list[Leaf]:
    """NCA's leaves, receipts apart, when there are so many; never more."""
    found: list[Leaf] = []

    async def there() -> bool:
        found[:] = await live.leaves(NCA)
        return len(found) >= count

    await until(there, f"{count} leaves")
    assert len(found) == count
    return found


async def stored_by_all_entitled(live: Live, record_id: bytes) -> list[AgencyId]:
    """Wait until everybody to whom the ledger says the record was released has stored it; who that is."""
    ledger: list[Ledger] = []

    async def admitted() -> bool:
        ledger[:] = [await live.ledger(NCA)]
        return any(isinstance(g, Admitted) and g.record_id == record_id for g in ledger[0].leaves)

    await until(admitted, "the record is admitted")
    [leaf] = [g for g in ledger[0].leaves if isinstance(g, Admitted) and g.record_id == record_id]
    holders = sorted(released_of(leaf, ledger[0].rulings))
    query = f"SELECT 1 FROM reception_log WHERE hex(record_id) = '{record_id.hex().upper()}'"  # noqa: S608
    for agency in holders:
        await until(partial(_any, live, agency, query), f"{agency} has stored it")
    return holders


def assert_undisturbed(worker: Child) -> None:
    """The worker never failed a step, and owned the shard once and for all."""
    assert worker.alive
    said = worker.said()
    assert said.count("shard 0 owned") == 1
    assert "rebuilding" not in said
    assert " ERROR " not in said


def _any(live: Live, agency: AgencyId, query: str) -> bool:
    return bool(live.rows(agency, query))
