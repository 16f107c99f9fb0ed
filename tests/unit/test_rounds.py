"""A round: every chain's head to everybody, a checkpoint to each ledger that moved, and no decision moves with it."""

from collections.abc import Sequence

import msgspec

from agencies.judging import Delivered, Judge, Judged
from broker.lane import Lane, fold
from broker.ledger_replay import replay_ledger
from broker.rounds import Cadence, Rounds, contradictions
from broker.step import Outputs
from deploy.secretariat import propose_broker_key
from schemas.arrangement import countersign, verify_successor
from schemas.certificate import Head, chain_start
from schemas.checkpoint import CheckpointVerifier, SealedNote
from schemas.entropy import SeededEntropy
from schemas.envelope import HeadEntry, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.ledger import CheckpointEntry, LeafEntry, LedgerEntry, ledger_leaf_hash, parse_ledger_entry
from schemas.verdicts import Alarm, Unopened
from tests.support.drafts import plain
from tests.support.federation import commit, message
from tests.support.forge import edit, flip
from tests.support.members import members
from tests.vectors.scenes import FR, GB, IT

M = members()
AGENCIES = M.arrangement.directory.agency_ids
NOW_MS = 1_795_000_000_000


def rounds(seed: bytes = b"round") -> Rounds:
    return Rounds(M.arrangement, M.broker, SeededEntropy(seed))


def lanes() -> dict[AgencyId, Lane]:
    return {agency: M.lane(agency) for agency in AGENCIES}


def publish(lane: Lane, first: int, *to: AgencyId) -> list[bytes]:
    """One record for each recipient named, folded and committed: the deliver parcels to FR."""
    sealer = M.sealer(lane.id)
    closed = [sealer.close_record(plain(first + i, agency), first + i) for i, agency in enumerate(to)]
    folded = fold(lane, [message(sealer.seal_window(closed, (), first), lane.state.next_offset)], M.versions)
    parcels = M.deliver((lane, folded)).get(FR, [])
    commit(lane, folded)
    return parcels


def heads(out: Outputs, recipient: AgencyId) -> dict[str, tuple[int, bytes]]:
    (value,) = [data for agency, data in out.deliver if agency == recipient]
    entries = [parse_deliver_entry(data) for data in parse_parcel(value).entries]
    assert all(isinstance(e, HeadEntry) for e in entries)
    return {e.lane: (e.number, e.digest) for e in entries if isinstance(e, HeadEntry)}


def checkpoints(out: Outputs) -> dict[AgencyId, CheckpointEntry]:
    found = {}
    for agency, data in out.ledger:
        parcel = parse_parcel(data)
        (entry,) = map(parse_ledger_entry, parcel.entries)
        assert isinstance(entry, CheckpointEntry)
        found[agency] = entry
    return found


def to(out: Outputs, recipient: AgencyId) -> bytes:
    return next(data for agency, data in out.deliver if agency == recipient)


def judged(judge: Judge, value: bytes) -> Judged:
    return judge.judge(Delivered(0, 0, value, True))


def test_everybody_is_told_of_every_lane_moved_or_not() -> None:
    all_lanes = lanes()
    publish(all_lanes[GB], 1, FR, FR, IT)
    out = rounds().make(all_lanes, NOW_MS)
    assert [recipient for recipient, _ in out.deliver] == list(AGENCIES)
    assert out.state == []
    for recipient in AGENCIES:
        told = heads(out, recipient)
        assert set(told) == set(AGENCIES) - {recipient}
        for lane, (number, digest) in told.items():
            start = chain_start(M.domains, lane, recipient)
            head = all_lanes[AgencyId(lane)].heads.get(recipient) or start
            assert (number, digest) == (head.number, head.digest)
    assert heads(out, FR)[GB][0] == 2
    assert heads(out, IT)[GB][0] == 1
    assert heads(out, GB)[FR] == (0, chain_start(M.domains, FR, GB).digest)


def test_a_round_of_what_came_is_no_alarm_and_stores_nothing() -> None:
    all_lanes, judge = lanes(), M.judge(FR)
    (parcel,) = publish(all_lanes[GB], 1, FR)
    judged(judge, parcel)
    before = dict(judge.chains)
    for seed in (b"one", b"two"):
        found = judged(judge, to(rounds(seed).make(all_lanes, NOW_MS), FR))
        assert (found.received, found.bad, found.alarms, found.heads) == ([], [], [], [])
        assert found.told == sorted(set(AGENCIES) - {FR})
    assert judge.chains == before


def test_a_tail_that_was_dropped_shows_in_the_next_round_and_once() -> None:
    all_lanes, judge = lanes(), M.judge(FR)
    (first,) = publish(all_lanes[GB], 1, FR)
    judged(judge, first)
    publish(all_lanes[GB], 2, FR, FR)  # and this never comes
    found = judged(judge, to(rounds().make(all_lanes, NOW_MS), FR))
    assert found.alarms == [
        (Alarm.TAIL_DROPPED, f"lane '{GB}': numbers 2 to 3 were delivered and never came")
    ]
    assert judge.head(GB).number == 3
    assert judged(judge, to(rounds().make(all_lanes, NOW_MS), FR)).alarms == []
    # What comes next follows the head that was told.
    (fourth,) = publish(all_lanes[GB], 4, FR)
    after = judged(judge, fourth)
    assert ([r.number for r in after.received], after.alarms) == ([4], [])


def test_all_that_ever_came_from_a_lane_may_be_the_tail() -> None:
    all_lanes, judge = lanes(), M.judge(FR)
    publish(all_lanes[GB], 1, FR)
    found = judged(judge, to(rounds().make(all_lanes, NOW_MS), FR))
    assert [alarm for alarm, _ in found.alarms] == [Alarm.TAIL_DROPPED]


def test_another_digest_at_our_number_is_a_fork_and_the_proof_is_kept() -> None:
    all_lanes, judge = lanes(), M.judge(FR)
    (parcel,) = publish(all_lanes[GB], 1, FR)
    judged(judge, parcel)
    ours = judge.head(GB)
    all_lanes[GB].heads[FR] = Head(1, bytes(32))
    value = to(rounds().make(all_lanes, NOW_MS), FR)
    found = judged(judge, value)
    assert [alarm for alarm, _ in found.alarms] == [Alarm.FORK]
    assert [(b.reason, b.data, b.lane) for b in found.bad] == [(Unopened.BAD_HEAD, value, GB)]
    assert judge.head(GB) == ours
    again = judged(judge, to(rounds(b"again").make(all_lanes, NOW_MS), FR))
    assert (again.alarms, again.bad) == ([], [])
    # A chain that never began has one beginning.
    all_lanes[IT].heads[FR] = Head(0, bytes(32))
    found = judged(judge, to(rounds().make(all_lanes, NOW_MS), FR))
    assert [alarm for alarm, _ in found.alarms] == [Alarm.FORK]


def test_an_older_round_again_says_nothing() -> None:
    all_lanes, judge = lanes(), M.judge(FR)
    old = to(rounds().make(all_lanes, NOW_MS), FR)
    (parcel,) = publish(all_lanes[GB], 1, FR)
    judged(judge, parcel)
    found = judged(judge, old)
    assert (found.alarms, found.bad, judge.head(GB).number) == ([], [], 1)


def test_a_round_for_another_or_by_nobody_counts_for_nothing() -> None:
    all_lanes = lanes()
    publish(all_lanes[GB], 1, FR)
    out = rounds().make(all_lanes, NOW_MS)
    judge = M.judge(FR)
    found = judged(judge, to(out, IT))
    assert {b.reason for b in found.bad} == {Unopened.BAD_PATH}
    assert (found.alarms, judge.chains) == ([], {})
    assert FR not in found.told

    value = edit(
        to(out, FR), lambda p: msgspec.structs.replace(p, seals=tuple(flip(s, 999) for s in p.seals))
    )
    found = judged(judge, value)
    assert {b.reason for b in found.bad} == {Unopened.BAD_SEAL}
    assert (found.told, found.alarms, judge.chains) == ([], [], {})


def test_a_ledger_is_signed_when_it_has_moved() -> None:
    all_lanes, by = lanes(), rounds()
    first = by.make(all_lanes, NOW_MS)
    assert set(checkpoints(first)) == set(AGENCIES)
    assert set(checkpoints(by.make(all_lanes, NOW_MS))) == set(AGENCIES)  # the first was never committed
    by.committed(all_lanes)
    assert by.make(all_lanes, NOW_MS).ledger == []
    publish(all_lanes[GB], 1, FR)
    signed = checkpoints(by.make(all_lanes, NOW_MS + 5))
    assert set(signed) == {GB}
    verifier, entry = CheckpointVerifier.of(M.arrangement), signed[GB]
    point = verifier.verify(GB, SealedNote(entry.note, entry.path, entry.seal))
    tree = all_lanes[GB].state.ledger
    assert (point.size, point.root, point.at_ms) == (tree.size, tree.root(), NOW_MS + 5)


def ledger() -> tuple[list[LedgerEntry], list[CheckpointEntry], list[Digest]]:
    """A ledger with a checkpoint in its middle and one at its end; the checkpoints; the leaves' hashes."""
    lane, by = M.lane(GB), rounds()
    sealer, entries = M.sealer(GB), list[LedgerEntry]()
    for first in (1, 3):
        closed = [sealer.close_record(plain(first + i, FR), first + i) for i in range(2)]
        folded = fold(lane, [message(sealer.seal_window(closed, (), first), first)], M.versions)
        entries += folded.ledger
        commit(lane, folded)
        entries += checkpoints(by.make({GB: lane}, NOW_MS)).values()
        by.committed({GB: lane})
    signed = [e for e in entries if isinstance(e, CheckpointEntry)]
    return entries, signed, [ledger_leaf_hash(M.domains, e.leaf) for e in entries if isinstance(e, LeafEntry)]


def found(entries: Sequence[CheckpointEntry], hashes: Sequence[bytes]) -> list[str]:
    return contradictions(GB, entries, hashes, CheckpointVerifier.of(M.arrangement))


def test_a_replay_passes_checkpoints_over_and_an_audit_judges_them() -> None:
    entries, signed, hashes = ledger()
    with_them = replay_ledger(GB, entries, M.versions)
    without = replay_ledger(GB, [e for e in entries if not isinstance(e, CheckpointEntry)], M.versions)
    assert with_them == without
    # The activation, leaf 0, stands in no entry here; the trees that were signed begin with it.
    first = M.lane(GB).state.ledger.peaks[0]
    whole = [Digest(first), *hashes]
    assert found(signed, whole) == []
    changed = [*whole[:-1], Digest(bytes(32))]
    assert found(signed, changed) == ["a checkpoint at 5 leaves has another root than they"]
    assert found(signed, whole[:4]) == ["a checkpoint is signed at 5 leaves, the ledger has 4"]
    assert len(found(signed, [Digest(bytes(32)), *hashes])) == 2
    spoilt = msgspec.structs.replace(signed[0], note=flip(signed[0].note, 8 * 40))
    (said,) = found([spoilt, signed[1]], whole)
    assert said.startswith("checkpoint 0 of the ledger does not verify: ")


def test_a_round_is_due_a_cadence_after_the_last_one() -> None:
    cadence = Cadence(60, 1000)
    assert [cadence.due(now) for now in (1000, 1059.9, 1060, 1500)] == [False, False, True, True]
    cadence.kept(1500)
    assert [cadence.due(now) for now in (1500, 1559, 1560)] == [False, False, True]


def test_checkpoints_by_an_earlier_key_of_the_broker_hold_on() -> None:
    new = SigningPair.generate()
    data = countersign(propose_broker_key(M.arrangement, new.public), M.identities)
    after = verify_successor(data, M.arrangement)
    lane = M.lane(GB)
    hashes = [Digest(lane.state.ledger.peaks[0])]
    entries = [
        checkpoints(Rounds(M.arrangement, pair, SeededEntropy(b"round")).make({GB: lane}, NOW_MS))[GB]
        for pair in (M.broker, new)
    ]
    assert contradictions(GB, entries, hashes, CheckpointVerifier.of(M.arrangement, after)) == []
    for versions, number in ((M.arrangement, 1), (after, 0)):
        (told,) = contradictions(GB, entries, hashes, CheckpointVerifier.of(versions))
        assert told.startswith(f"checkpoint {number} of the ledger does not verify")
