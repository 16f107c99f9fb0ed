"""The fold over hard input: gaps, repeats, oversized records, an originator that lies about its own record."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest

from agencies.judging import Delivered, Judged
from agencies.sealing import ClosedRecord, Control
from broker.admission import SourceMessage
from broker.lane import Folded, Lane, fold
from schemas.capsules import capsule_bytes, parse_capsule
from schemas.codes import PortionName
from schemas.controls import Receipt, receipt_bytes
from schemas.envelope import Addressee, BrokerOnly, PortionSlot, parse_broker_only
from schemas.frames import MAX_PARCEL, MAX_RECORD, parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import Admitted, ControlNoted, Duplicate, Gap, Leaf, Quarantined
from schemas.verdicts import Refused, Unopened
from tests.support.drafts import base, draft, handling, label, plain, record_id, sources
from tests.support.federation import NOW_MS, commit, leaves, message
from tests.support.forge import edit, edit_entry, flip, reform
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT, XA


@pytest.fixture(scope="module")
def m() -> Members:
    return members()


def window(
    m: Members,
    first: int,
    *to: Sequence[AgencyId],
    change: Callable[[ClosedRecord], ClosedRecord] = lambda c: c,
    controls: Sequence[Control] = (),
) -> bytes:
    sealer = m.sealer(GB)
    closed = [change(sealer.close_record(plain(first + i, *a), first + i)) for i, a in enumerate(to)]
    return sealer.seal_window(closed, controls, first)


def folded(m: Members, *values: bytes) -> tuple[Lane, Folded]:
    lane = m.lane(GB)
    return lane, fold(lane, [message(v, i) for i, v in enumerate(values)], m.versions)


def kinds(found: Sequence[Leaf]) -> list[str]:
    return [
        str(leaf.reason) if isinstance(leaf, Quarantined) else type(leaf).__name__.lower() for leaf in found
    ]


def test_a_fold_leaves_the_lane_as_it_was(m: Members) -> None:
    lane = m.lane(GB)
    before = (lane.state, dict(lane.heads), dict(lane.capsules))
    first = fold(lane, [message(window(m, 1, [FR]), 0)], m.versions)
    again = fold(lane, [message(window(m, 1, [FR]), 0)], m.versions)
    assert (lane.state, lane.heads, lane.capsules) == before
    assert kinds(leaves(first)) == kinds(leaves(again)) == ["admitted"]


def test_a_jump_is_a_gap_and_the_lane_goes_on(m: Members) -> None:
    _, out = folded(m, window(m, 1, [FR]), window(m, 4, [FR], [IT]))
    found = leaves(out)
    assert kinds(found) == ["admitted", "gap", "admitted", "admitted"]
    gap = found[1]
    assert isinstance(gap, Gap)
    assert (gap.first, gap.next, gap.offset) == (2, 4, 1)
    assert out.state.last_sequence == 5


def test_a_refused_record_uses_its_number_up_and_its_resend_is_a_duplicate(m: Members) -> None:
    value = window(m, 1, [FR], change=lambda c: reform(m.domains, c, broker_only=_revision(2)))
    _, out = folded(m, value, value, window(m, 2, [FR]))
    assert kinds(leaves(out)) == ["bad_revision", "duplicate", "admitted"]


def _revision(number: int) -> Callable[[BrokerOnly], BrokerOnly]:
    return lambda b: msgspec.structs.replace(b, revision=number)


def test_a_refused_revision_is_not_used_up(m: Members) -> None:
    sealer = m.sealer(GB)
    drafts = [
        plain(1, FR),
        plain(1, FR, revision=3),
        plain(1, FR, revision=2),
        plain(1, FR, revision=2, summary="Other"),
        plain(1, FR, revision=1),
        plain(1, FR, revision=3),
    ]
    value = sealer.seal_window([sealer.close_record(d, i) for i, d in enumerate(drafts, 1)], (), 1)
    _, out = folded(m, value)
    assert kinds(leaves(out)) == [
        "admitted",
        "bad_revision",
        "admitted",
        "equivocation",
        "bad_revision",
        "admitted",
    ]


def test_one_refused_entry_does_not_take_its_window_with_it(m: Members) -> None:
    value = edit_entry(
        window(m, 1, [FR], [FR], [FR]), 1, lambda e: msgspec.structs.replace(e, path=flip(e.path, 99))
    )
    _, out = folded(m, value)
    assert kinds(leaves(out)) == ["admitted", "bad_path", "gap", "admitted"]


def test_every_record_of_a_message_that_is_refused_as_a_whole_has_a_leaf(m: Members) -> None:
    lane = m.lane(GB)
    control = Control("receipt", record_id("c"), receipt_bytes(Receipt(FR, 0, 1, bytes(32), ())))
    value = window(m, 1, [FR], [IT], controls=[control])
    out = fold(lane, [SourceMessage(0, NOW_MS, value, bare=False)], m.versions)
    found = leaves(out)
    assert kinds(found) == ["kafka_key_or_headers"] * 2
    assert [leaf.entry for leaf in found if isinstance(leaf, Quarantined)] == [0, 1]
    assert not out.shares
    assert not out.forwards


def test_capsules_are_kept_for_later_windows(m: Members) -> None:
    sealer, lane = m.sealer(GB), m.lane(GB)
    values = [sealer.seal_window([sealer.close_record(plain(i, FR), i)], (), i) for i in (1, 2)]
    first = fold(lane, [message(values[0], 0)], m.versions)
    commit(lane, first)
    second = fold(lane, [message(values[1], 1)], m.versions)
    assert (len(first.capsules), len(second.capsules)) == (1, 0)
    assert kinds(leaves(second)) == ["admitted"]
    parcels = m.deliver((lane, second))
    assert len(m.judge(FR).judge(Delivered(0, 0, parcels[FR][0], True)).received) == 1


def test_a_capsule_that_no_signed_audience_names_is_not_kept(m: Members) -> None:
    sealer, lane = m.sealer(GB), m.lane(GB)
    value = sealer.seal_window([sealer.close_record(plain(1, FR), 1)], (), 1)
    (ours,) = parse_parcel(value).capsules
    strays = tuple(
        capsule_bytes(msgspec.structs.replace(parse_capsule(ours), sealed=bytes([i]) * 1120))
        for i in range(100)
    )
    more = edit(value, lambda p: msgspec.structs.replace(p, capsules=(*strays, *p.capsules)))
    out = fold(lane, [message(more, 0), message(more, 1)], m.versions)
    assert kinds(leaves(out)) == ["admitted", "duplicate"]
    assert list(out.capsules.values()) == [ours]
    broken = edit_entry(more, 0, lambda e: msgspec.structs.replace(e, path=flip(e.path, 99)))
    assert not fold(m.lane(GB), [message(broken, 0)], m.versions).capsules


def test_a_capsule_that_came_with_a_refused_record_serves_the_next(m: Members) -> None:
    """It is sent once: an honest node would else be shut out for the rest of the day."""
    sealer = m.sealer(GB)
    late = draft(1, (PortionName.BASE, base(), label(FR, by=handling(retain_until=NOW_MS // 86_400_000))))
    values = [
        sealer.seal_window([sealer.close_record(d, i)], (), i) for i, d in enumerate((late, plain(2, FR)), 1)
    ]
    assert [len(parse_parcel(v).capsules) for v in values] == [1, 0]
    tomorrow = NOW_MS + 86_400_000
    lane = m.lane(GB)
    out = fold(lane, [SourceMessage(i, tomorrow, v, True) for i, v in enumerate(values)], m.versions)
    assert kinds(leaves(out)) == ["expired", "admitted"]
    (parcel,) = m.deliver((lane, out))[FR]
    assert len(m.judge(FR).judge(Delivered(0, 0, parcel, True)).received) == 1


def test_a_capsule_that_came_during_a_suspension_serves_after_it(m: Members) -> None:
    (suspension,) = m.arrangement.directory.suspensions
    end_ms = suspension.end_ms
    assert end_ms is not None
    sealer = m.sealer(XA)
    drafts = [replace(plain(i, FR), created_s=end_ms // 1000 - 10) for i in (1, 2)]
    values = [sealer.seal_window([sealer.close_record(d, i)], (), i) for i, d in enumerate(drafts, 1)]
    messages = [SourceMessage(i, end_ms - 1 + i, v, True) for i, v in enumerate(values)]
    assert kinds(leaves(fold(m.lane(XA), messages, m.versions))) == ["originator_not_active", "admitted"]


def test_a_capsule_that_a_repeat_brings_serves_the_next(m: Members) -> None:
    """Whoever strips the parcel on its way can have a record refused, and not those that follow it."""
    sealer = m.sealer(GB)
    values = [sealer.seal_window([sealer.close_record(plain(i, FR), i)], (), i) for i in (1, 2)]
    stripped = edit(values[0], lambda p: msgspec.structs.replace(p, capsules=()))
    _, out = folded(m, stripped, values[0], values[1])
    assert kinds(leaves(out)) == ["unknown_capsule", "duplicate", "admitted"]


def test_a_receipt_is_forwarded_to_the_lane_it_speaks_of_and_to_nobody_else(m: Members) -> None:
    def receipt(lane: str) -> Control:
        return Control("receipt", record_id(lane), receipt_bytes(Receipt(lane, 0, 4, bytes(32), ())))

    value = window(m, 1, [FR], controls=[receipt(IT), receipt(GB), receipt("de-six")])
    lane, out = folded(m, value)
    noted = [leaf for leaf in leaves(out) if isinstance(leaf, ControlNoted)]
    assert [leaf.to for leaf in noted] == [IT, "", ""]
    parcels = m.deliver((lane, out))
    (got,) = m.judge(IT).judge(Delivered(0, 0, parcels[IT][0], True)).receipts
    assert (got.recipient, got.receipt.upto) == (GB, 4)


def test_a_control_is_bound_to_its_window(m: Members) -> None:
    control = Control("receipt", record_id("c"), receipt_bytes(Receipt(IT, 0, 1, bytes(32), ())))
    value = window(m, 1, [FR], controls=[control])
    touched = value.replace(control.body, receipt_bytes(Receipt(IT, 0, 2, bytes(32), ())))
    assert touched != value
    _, out = folded(m, touched)
    assert kinds(leaves(out)) == ["admitted", "bad_path"]
    _, out = folded(m, window(m, 1, [FR], controls=[replace(control, body=b"\xc1")]))
    assert kinds(leaves(out)) == ["admitted", "malformed"]


# An originator that holds its own keys and lies


def _slots(
    m: Members, change: Callable[[PortionSlot], PortionSlot]
) -> Callable[[ClosedRecord], ClosedRecord]:
    return lambda c: reform(m.domains, c, portions=[change(s) for s in c.portions])


@pytest.mark.parametrize(
    "handling, reason",
    [
        (b"", Refused.MALFORMED),
        (b"\xc1", Refused.MALFORMED),
        (b"\x91" * 16_000, Refused.MALFORMED),
        (b"\x9c\xa3\xff\xfe\xfd" + b"\x90" * 11, Refused.MALFORMED),
        (b"\xdd\xff\xff\xff\xff", Refused.MALFORMED),
    ],
    ids=["empty", "reserved", "deep", "not-utf-8", "huge"],
)
def test_labels_that_are_none_are_refused(m: Members, handling: bytes, reason: Refused) -> None:
    for field in ("handling", "routing"):

        def change(s: PortionSlot, field: str = field) -> PortionSlot:
            return msgspec.structs.replace(s, **{field: handling})

        _, out = folded(m, window(m, 1, [FR], change=_slots(m, change)), window(m, 2, [FR]))
        assert kinds(leaves(out)) == [reason, "admitted"]


def _audience(
    m: Members, change: Callable[[tuple[Addressee, ...]], Sequence[Addressee]]
) -> Callable[[ClosedRecord], ClosedRecord]:
    """A record with another audience, under its seal."""

    def changed(b: BrokerOnly) -> BrokerOnly:
        return msgspec.structs.replace(b, audience=tuple(change(b.audience)))

    return lambda c: reform(m.domains, c, broker_only=changed)


def test_an_audience_that_is_too_wide_too_narrow_doubled_or_out_of_order_is_refused(m: Members) -> None:
    _, out = folded(m, window(m, 1, [FR, IT], change=_audience(m, lambda a: a)))
    assert kinds(leaves(out)) == ["admitted"]
    for change in (
        lambda a: a[:1],
        lambda a: [],
        lambda a: [a[0], a[1], a[1]],
        lambda a: [a[0], a[0]],
        lambda a: [a[1], a[0]],
    ):
        _, out = folded(m, window(m, 1, [FR, IT], change=_audience(m, change)))
        assert kinds(leaves(out)) == ["audience_mismatch"]
    wider = _audience(m, lambda a: [*a, msgspec.structs.replace(a[1], recipient=XA)])
    _, out = folded(m, window(m, 1, [FR, IT], change=wider))
    assert kinds(leaves(out)) == ["unknown_capsule"]


def test_wraps_are_as_many_as_the_portions_that_a_recipient_may_have(m: Members) -> None:
    def wraps(count: int) -> Callable[[tuple[Addressee, ...]], Sequence[Addressee]]:
        return lambda a: [msgspec.structs.replace(a[0], wraps=a[0].wraps * count), *a[1:]]

    for count, outcome in ((0, "bad_wrap"), (1, "admitted"), (2, "bad_wrap")):
        _, out = folded(m, window(m, 1, [FR, IT], change=_audience(m, wraps(count))))
        assert kinds(leaves(out)) == [outcome]


def test_a_portion_that_the_audience_does_not_give_is_not_given(m: Members) -> None:
    """The bits stand for portions by their names under the seal, whatever their order in the entry."""
    made = draft(1, (PortionName.BASE, base(), label(FR, IT)), (PortionName.SOURCES, sources(), label(IT)))
    sealer = m.sealer(GB)
    closed = sealer.close_record(made, 1)
    assert [(a.recipient, a.portions) for a in parse_broker_only(closed.broker_only).audience] == [
        (FR, 0b01),
        (IT, 0b11),
    ]
    for change in (
        _audience(m, lambda a: [msgspec.structs.replace(a[0], portions=0b10), a[1]]),
        _audience(m, lambda a: [msgspec.structs.replace(a[0], portions=0b11, wraps=a[1].wraps), a[1]]),
        _audience(m, lambda a: [a[0], msgspec.structs.replace(a[1], portions=0b101)]),
        lambda c: msgspec.structs.replace(c, portions=c.portions[::-1]),
    ):
        _, out = folded(m, sealer.seal_window([change(closed)], (), 1))
        assert kinds(leaves(out)) == ["audience_mismatch"]
        sealer.forget_keys()
        closed = sealer.close_record(made, 1)
    lane, out = folded(m, sealer.seal_window([closed], (), 1))
    for recipient, names in ((FR, ["base"]), (IT, ["base", "sources"])):
        (parcel,) = m.deliver((lane, out))[recipient]
        (row,) = m.judge(recipient).judge(Delivered(0, 0, parcel, True)).received
        assert [p.name for p in row.opened.portions] == names


def test_routing_changed_under_the_same_audience_is_refused(m: Members) -> None:
    routing = msgspec.msgpack.encode([[FR, XA], [], []])
    change = _slots(m, lambda s: msgspec.structs.replace(s, routing=routing))
    _, out = folded(m, window(m, 1, [FR], change=change))
    assert kinds(leaves(out)) == ["audience_mismatch"]


def test_a_capsule_of_another_recipient_is_refused(m: Members) -> None:
    def swap(b: BrokerOnly) -> BrokerOnly:
        first, second = b.audience
        return msgspec.structs.replace(
            b,
            audience=(
                msgspec.structs.replace(first, capsule=second.capsule),
                msgspec.structs.replace(second, capsule=first.capsule),
            ),
        )

    _, out = folded(m, window(m, 1, [FR, IT], change=lambda c: reform(m.domains, c, broker_only=swap)))
    assert kinds(leaves(out)) == ["unknown_capsule"]


def test_a_portion_that_stands_twice_is_refused(m: Members) -> None:
    sealer = m.sealer(GB)
    twice = draft(1, (PortionName.BASE, base(), label(FR)), (PortionName.SOURCES, sources(), label(FR)))
    closed = reform(
        m.domains,
        (record := sealer.close_record(twice, 1)),
        portions=[record.portions[0], msgspec.structs.replace(record.portions[1], name="base")],
    )
    _, out = folded(m, sealer.seal_window([closed], (), 1))
    assert kinds(leaves(out)) == ["unknown_portion"]


def test_a_record_over_the_limit_is_refused_and_its_neighbour_is_not(m: Members) -> None:
    """With certificate and heads its delivery could be larger than any parcel may be, and no step would commit."""

    def grow(size: int) -> Callable[[ClosedRecord], ClosedRecord]:
        return _slots(m, lambda s: msgspec.structs.replace(s, ciphertext=bytes(size)))

    _, out = folded(m, window(m, 1, [FR], change=grow(MAX_RECORD)), window(m, 2, [FR]))
    assert kinds(leaves(out)) == ["too_large", "gap", "admitted"]
    lane, out = folded(m, window(m, 1, [FR], change=grow(MAX_RECORD - 4000)))
    assert kinds(leaves(out)) == ["admitted"]
    (parcel,) = m.deliver((lane, out))[FR]
    assert len(parcel) < MAX_PARCEL
    result = m.judge(FR).judge(Delivered(0, 0, parcel, True))
    assert [b.reason for b in result.bad] == [Unopened.BAD_WRAP]


def test_a_record_whose_deliveries_come_to_too_much_is_refused(
    m: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = _slots(m, lambda s: msgspec.structs.replace(s, ciphertext=bytes(1000)))
    values = [window(m, n, to, change=change) for n, to in ((1, [FR]), (2, [FR, IT]))]
    monkeypatch.setattr("broker.admission.MAX_RELEASED", 1999)
    _, out = folded(m, *values)
    assert kinds(leaves(out)) == ["admitted", "too_large"]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17])
def test_a_ciphertext_of_any_size_is_judged(m: Members, size: int) -> None:
    change = _slots(m, lambda s: msgspec.structs.replace(s, ciphertext=bytes(size)))
    result = _opened(m, window(m, 1, [FR], change=change))
    assert [b.reason for b in result.bad] == [Unopened.BAD_WRAP]  # the wrap is bound to the commitment


def _opened(m: Members, value: bytes) -> Judged:
    (parcel,) = m.delivered(GB, value)[FR]
    return m.judge(FR).judge(Delivered(0, 0, parcel, True))


def test_two_seals_or_none_are_no_window(m: Members) -> None:
    value = window(m, 1, [FR])
    for seals in (lambda s: (*s, *s), lambda s: ()):
        touched = edit(value, lambda p, seals=seals: msgspec.structs.replace(p, seals=seals(p.seals)))  # type: ignore[misc]
        _, out = folded(m, touched)
        assert kinds(leaves(out)) == ["bad_seal"]


def test_admission_time_never_goes_back(m: Members) -> None:
    lane = m.lane(GB)
    values = [window(m, 1, [FR]), window(m, 2, [FR])]
    out = fold(
        lane,
        [
            SourceMessage(i, NOW_MS + at, v, True)
            for i, (at, v) in enumerate(zip((900, 100), values, strict=True))
        ],
        m.versions,
    )
    assert [leaf.at_ms - NOW_MS for leaf in leaves(out) if isinstance(leaf, Admitted)] == [900, 900]
    assert not any(isinstance(leaf, Duplicate) for leaf in leaves(out))
