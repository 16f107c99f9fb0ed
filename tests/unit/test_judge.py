"""The recipient's judge: repeats are dropped, a break is stored with an alarm, a bad head goes to quarantine."""

from functools import partial

import msgspec
import pytest

from agencies.judging import Delivered, Judge, Judged
from broker.admission import SourceMessage
from broker.lane import fold
from schemas.certificate import Head, certificate_bytes, parse_certificate
from schemas.codes import PortionName
from schemas.envelope import DeliveryEntry, HeadEntry, frame_bytes, parse_deliver_entry
from schemas.frames import PREFIX, Parcel, pack_parcel, parse_parcel
from schemas.ids import AgencyId
from schemas.seal import Role
from schemas.verdicts import Alarm, Unopened
from tests.support.drafts import base, draft, label, plain, sources
from tests.support.federation import NOW_MS, commit
from tests.support.forge import certify, edit, edit_delivery, flip, with_entry, without_entry
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT


@pytest.fixture(scope="module")
def m() -> Members:
    return members()


@pytest.fixture(scope="module")
def parcels(m: Members) -> list[bytes]:
    """Four parcels for FR: of three, one, two and one records."""
    return chain_of(m, 3, 1, 2, 1)


def chain_of(m: Members, *counts: int, to: AgencyId = FR) -> list[bytes]:
    sealer, lane, out, sequence = m.sealer(GB), m.lane(GB), [], 1
    for offset, count in enumerate(counts):
        closed = [sealer.close_record(plain(i, to), i) for i in range(sequence, sequence + count)]
        value = sealer.seal_window(closed, (), sequence)
        folded = fold(lane, [SourceMessage(offset, NOW_MS + 1000, value, True)], m.versions)
        out += m.deliver((lane, folded))[to]
        commit(lane, folded)
        sequence += count
    return out


def judged(judge: Judge, value: bytes) -> Judged:
    return judge.judge(Delivered(0, 0, value, True))


def numbers(result: Judged) -> list[int | None]:
    return [r.number for r in result.received]


def reasons(result: Judged) -> list[Unopened]:
    return [b.reason for b in result.bad]


def alarms(result: Judged) -> list[Alarm]:
    return [alarm for alarm, _ in result.alarms]


def test_good_parcels_are_stored_in_order(m: Members, parcels: list[bytes]) -> None:
    judge = m.judge(FR)
    results = [judged(judge, p) for p in parcels]
    assert [numbers(r) for r in results] == [[1, 2, 3], [4], [5, 6], [7]]
    assert not any(r.bad or r.alarms for r in results)
    assert judge.head(GB).number == 7


def test_repeats_are_dropped(m: Members, parcels: list[bytes]) -> None:
    judge = m.judge(FR)
    for value in (parcels[0], parcels[1]):
        judged(judge, value)
    for value in (parcels[0], parcels[1], parcels[0]):
        again = judged(judge, value)
        assert (again.received, again.bad, again.alarms, again.heads) == ([], [], [], [])
    assert numbers(judged(judge, parcels[2])) == [5, 6]


def test_a_restart_goes_on_from_the_stored_head(m: Members, parcels: list[bytes]) -> None:
    judge = m.judge(FR)
    judged(judge, parcels[0])
    again = m.judge(FR)
    again.chains = dict(judge.chains)
    assert not judged(again, parcels[0]).received
    result = judged(again, parcels[1])
    assert (numbers(result), alarms(result)) == ([4], [])


def test_a_missing_parcel_is_stored_over_with_an_alarm_and_the_chain_anchored_again(
    m: Members, parcels: list[bytes]
) -> None:
    judge = m.judge(FR)
    judged(judge, parcels[0])
    result = judged(judge, parcels[2])  # number 4 never came
    assert numbers(result) == [5, 6]
    assert alarms(result) == [Alarm.CHAIN_BREAK]
    assert not result.bad
    after = judged(judge, parcels[3])
    assert (numbers(after), alarms(after)) == ([7], [])


def test_a_chain_that_was_forked_is_stored_with_an_alarm(m: Members, parcels: list[bytes]) -> None:
    judge = m.judge(FR)
    judge.chains[GB] = Head(3, bytes(32))
    result = judged(judge, parcels[1])
    assert (numbers(result), alarms(result)) == ([4], [Alarm.CHAIN_BREAK])
    after = judged(judge, parcels[2])
    assert (numbers(after), alarms(after)) == ([5, 6], [])


def test_a_bad_head_signature_sends_all_under_it_to_quarantine(m: Members, parcels: list[bytes]) -> None:
    def broken(p: Parcel) -> Parcel:
        heads = p.seals[-1]
        return msgspec.structs.replace(p, seals=(*p.seals[:-1], flip(heads, 8 * 100)))

    judge = m.judge(FR)
    result = judged(judge, edit(parcels[0], broken))
    assert reasons(result) == [Unopened.BAD_SEAL] * 3
    assert not result.received
    assert judge.head(GB).number == 0
    assert numbers(judged(judge, parcels[0])) == [1, 2, 3]


def test_heads_are_the_brokers_over_heads(m: Members) -> None:
    (one,) = chain_of(m, 1)
    for pair, role in (
        (m.broker, Role.WINDOW),  # the right key in the wrong role
        (m.signing[GB], Role.HEADS),  # a member's key in the broker's role
        (m.signing[FR], Role.HEADS),
    ):
        result = judged(m.judge(FR), certify(m, one, FR, pair=pair, role=role))
        assert reasons(result) == [Unopened.UNKNOWN_SIGNER]
    assert reasons(judged(m.judge(FR), certify(m, one, FR, suite="ed25519"))) == [Unopened.BAD_SEAL]
    assert numbers(judged(m.judge(FR), certify(m, one, FR))) == [1]


def test_a_parcel_for_another_opens_nothing(m: Members, parcels: list[bytes]) -> None:
    result = judged(m.judge(IT), parcels[0])
    assert reasons(result) == [Unopened.BAD_PATH] * 3
    assert not result.received


def test_a_windows_seal_cannot_be_another_members(m: Members) -> None:
    sealer = m.sealer(IT)
    record = sealer.close_record(plain(9, FR), 1)
    theirs = parse_parcel(sealer.seal_window([record], (), 1))
    (one,) = chain_of(m, 1)
    value = edit(one, lambda p: msgspec.structs.replace(p, seals=(theirs.seals[0], p.seals[1])))
    assert reasons(judged(m.judge(FR), value)) == [Unopened.UNKNOWN_SIGNER]


def test_a_broken_entry_costs_itself_alone(m: Members, parcels: list[bytes]) -> None:
    for index in range(3):
        result = judged(m.judge(FR), edit(parcels[0], partial(with_entry, index=index, data=b"\xc1")))
        assert len(result.received) == 2
        assert reasons(result) == [Unopened.MALFORMED]


def test_a_dropped_entry_is_alarmed_and_the_others_stored(m: Members, parcels: list[bytes]) -> None:
    for index in range(3):
        judge = m.judge(FR)
        result = judged(judge, edit(parcels[0], partial(without_entry, index=index)))
        assert len(result.received) == 2
        assert Alarm.CHAIN_BREAK in alarms(result)
        assert numbers(judged(judge, parcels[1])) == [4]


@pytest.mark.parametrize("index, number", [(0, 7), (1, 1), (1, 7), (2, 1), (2, 2), (2, 7)])
def test_a_certificate_whose_number_was_changed_is_not_stored(
    m: Members, parcels: list[bytes], index: int, number: int
) -> None:
    def renumber(entry: DeliveryEntry) -> DeliveryEntry:
        c = msgspec.structs.replace(parse_certificate(entry.certificate), number=number)
        return msgspec.structs.replace(entry, certificate=certificate_bytes(c))

    judge = m.judge(FR)
    result = judged(judge, edit_delivery(parcels[0], index, renumber))
    assert reasons(result) == [Unopened.BAD_CERTIFICATE]
    assert len(result.received) == 2
    assert numbers(judged(judge, parcels[1])) == [4]


def test_a_head_moved_from_another_lane_does_not_count(m: Members, parcels: list[bytes]) -> None:
    def relabel(p: Parcel) -> Parcel:
        head = parse_deliver_entry(p.entries[-1])
        assert isinstance(head, HeadEntry)
        return with_entry(p, len(p.entries) - 1, frame_bytes(msgspec.structs.replace(head, lane=IT)))

    moved = [Unopened.BAD_HEAD] * 3 + [Unopened.BAD_PATH]
    assert reasons(judged(m.judge(FR), edit(parcels[0], relabel))) == moved


def test_garbage_is_one_row_and_the_stream_goes_on(m: Members, parcels: list[bytes]) -> None:
    judge = m.judge(FR)
    for value in (b"", b"garbage", PREFIX + b"\x91" * 5000, pack_parcel(Parcel(0, (), (), (b"\xc1",)))):
        assert len(judged(judge, value).bad) == 1
    assert numbers(judged(judge, parcels[0])) == [1, 2, 3]


def test_a_portion_that_does_not_open_leaves_the_others(m: Members) -> None:
    both = draft(1, (PortionName.BASE, base(), label(FR)), (PortionName.SOURCES, sources(), label(FR)))
    sealer = m.sealer(GB)
    (value,) = m.delivered(GB, sealer.seal_window([sealer.close_record(both, 1)], (), 1))[FR]

    def touch(e: DeliveryEntry) -> DeliveryEntry:
        wrong = msgspec.structs.replace(e.portions[0], wrap=flip(e.portions[0].wrap, 300))
        return msgspec.structs.replace(e, portions=(wrong, e.portions[1]))

    result = judged(m.judge(FR), edit_delivery(value, 0, touch))
    (stored,) = result.received
    assert [p.name for p in stored.opened.portions] == ["sources"]
    assert [(b.reason, b.portion, b.number) for b in result.bad] == [(Unopened.BAD_WRAP, "base", 1)]

    def drop(e: DeliveryEntry) -> DeliveryEntry:
        return msgspec.structs.replace(e, portions=e.portions[1:])

    result = judged(m.judge(FR), edit_delivery(value, 0, drop))
    assert reasons(result) == [Unopened.BAD_CERTIFICATE]  # what was certified as released is not there
    assert [p.name for p in result.received[0].opened.portions] == ["sources"]


def test_another_certificate_at_a_number_that_was_passed_is_kept_with_an_alarm(
    m: Members, parcels: list[bytes]
) -> None:
    """What a broker that was restored from an old state would send: nothing of it may vanish silently."""
    judge = m.judge(FR)
    for value in parcels:
        judged(judge, value)
    sealer = m.sealer(GB)
    value = sealer.seal_window([sealer.close_record(plain("fork", FR), 1)], (), 1)
    (fork,) = m.delivered(GB, value)[FR]
    result = judged(judge, fork)
    assert (reasons(result), alarms(result), numbers(result)) == (
        [Unopened.BAD_CERTIFICATE],
        [Alarm.CHAIN_BREAK],
        [],
    )
    assert judge.head(GB).number == 7


def test_a_lane_that_no_member_has_is_quarantined_and_starts_no_chain(
    m: Members, parcels: list[bytes]
) -> None:
    def renamed(head: HeadEntry) -> HeadEntry:
        return msgspec.structs.replace(head, lane="gb-nca\0")

    parcel = parse_parcel(parcels[0])
    entries = [parse_deliver_entry(data) for data in parcel.entries]
    changed = tuple(frame_bytes(renamed(e) if isinstance(e, HeadEntry) else e) for e in entries)
    judge = m.judge(FR)
    result = judged(judge, pack_parcel(msgspec.structs.replace(parcel, entries=changed)))
    assert Unopened.BAD_HEAD in reasons(result)
    assert not result.received
    assert judge.chains == {}
