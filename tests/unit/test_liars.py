"""Principals that hold good keys and lie: a role moved, a slot doubled, a key that is not the one committed to."""

import msgspec
import pytest

from agencies.drafting import Draft, DraftPortion
from agencies.judging import Delivered
from agencies.opening import unpad
from agencies.sealing import ClosedPortion, Control, Sealer, pad
from broker.admission import SourceMessage
from broker.lane import fold
from schemas.arrangement import SUITE
from schemas.capsules import capsule_bytes, capsule_digest, parse_capsule
from schemas.clock import DAY_S
from schemas.codes import PortionName
from schemas.commitments import Commitments
from schemas.controls import Receipt, receipt_bytes
from schemas.directory import instant_ms
from schemas.entropy import SeededEntropy
from schemas.envelope import (
    BrokerOnly,
    ControlEntry,
    DeliveryEntry,
    RecordEntry,
    control_leaf,
    frame_bytes,
    manifest_digest,
    parse_deliver_entry,
    parse_submission_entry,
    record_leaf,
)
from schemas.frames import Parcel, pack_parcel, parse_parcel
from schemas.ids import CommunityId
from schemas.labels import Label, Routing
from schemas.ledger import Admitted, Quarantined
from schemas.seal import Role, seal_leaves
from schemas.verdicts import Refused, Unopened
from tests.support.drafts import base, draft, handling, label, plain, record_id
from tests.support.federation import NOW_MS, leaves, message
from tests.support.forge import certify, edit, reform, slot_commitment, with_entry
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT


@pytest.fixture(scope="module")
def m() -> Members:
    return members()


def reason(m: Members, value: bytes) -> Refused | None:
    """Of the only leaf; None if it is admitted."""
    (leaf,) = leaves(fold(m.lane(GB), [message(value, 0)], m.versions))
    return leaf.reason if isinstance(leaf, Quarantined) else None


def judged(m: Members, value: bytes) -> list[Unopened]:
    return [bad.reason for bad in m.judge(FR).judge(Delivered(0, 0, value, True)).bad]


def one(m: Members) -> bytes:
    sealer = m.sealer(GB)
    return sealer.seal_window([sealer.close_record(plain(1, FR), 1)], (), 1)


def test_a_seal_over_heads_is_no_window(m: Members) -> None:
    """A member that signs in the broker's role, on its own topic and in a delivery."""

    def resealed(manifest: bytes, role: Role) -> tuple[bytes, bytes]:
        leaf = record_leaf(m.domains, manifest_digest(m.domains, manifest))
        seal, (path,) = seal_leaves(m.domains, SUITE, m.signing[GB], role, [leaf], SeededEntropy(b"x"))
        return seal, path

    def submission(p: Parcel, role: Role) -> Parcel:
        entry = parse_submission_entry(p.entries[0])
        assert isinstance(entry, RecordEntry)
        seal, path = resealed(entry.manifest, role)
        touched = with_entry(p, 0, frame_bytes(msgspec.structs.replace(entry, path=path)))
        return msgspec.structs.replace(touched, seals=(seal,))

    def delivery(p: Parcel, role: Role) -> Parcel:
        entry = parse_deliver_entry(p.entries[0])
        assert isinstance(entry, DeliveryEntry)
        seal, path = resealed(entry.manifest, role)
        touched = with_entry(p, 0, frame_bytes(msgspec.structs.replace(entry, path=path)))
        return msgspec.structs.replace(touched, seals=(seal, *p.seals[1:]))

    (parcel,) = m.delivered(GB, one(m))[FR]
    assert reason(m, edit(one(m), lambda p: submission(p, Role.WINDOW))) is None
    assert reason(m, edit(one(m), lambda p: submission(p, Role.HEADS))) is Refused.UNKNOWN_SIGNER
    assert judged(m, edit(parcel, lambda p: delivery(p, Role.WINDOW))) == []
    assert judged(m, edit(parcel, lambda p: delivery(p, Role.HEADS))) == [Unopened.UNKNOWN_SIGNER]


def test_a_slot_that_stands_twice_is_refused(m: Members) -> None:
    sealer = m.sealer(GB)
    closed = sealer.close_record(plain(1, FR), 1)
    doubled = reform(m.domains, closed, portions=closed.portions * 2)
    assert reason(m, sealer.seal_window([doubled], (), 1)) is Refused.BAD_SLOT


def test_a_capsule_in_anothers_name_is_refused(m: Members) -> None:
    sealer = m.sealer(GB)
    closed = sealer.close_record(plain(1, FR), 1)
    (honest,) = parse_parcel(sealer.seal_window([closed], (), 1)).capsules
    stolen = capsule_bytes(msgspec.structs.replace(parse_capsule(honest), originator=IT))

    def name_it(b: BrokerOnly) -> BrokerOnly:
        addressee = msgspec.structs.replace(b.audience[0], capsule=capsule_digest(m.domains, stolen))
        return msgspec.structs.replace(b, audience=(addressee,))

    value = sealer.seal_window([reform(m.domains, closed, broker_only=name_it)], (), 1)
    sent = edit(value, lambda p: msgspec.structs.replace(p, capsules=(stolen,)))
    assert reason(m, sent) is Refused.UNKNOWN_CAPSULE


def test_sequences_begin_at_1(m: Members) -> None:
    sealer = m.sealer(GB)
    value = sealer.seal_window([sealer.close_record(plain(1, FR), 0)], (), 0)
    assert reason(m, value) is Refused.SEQUENCE_MISMATCH


@pytest.mark.parametrize("days, expected", [(-1, Refused.EXPIRED), (0, None), (1, None)])
def test_a_record_may_be_kept_to_the_end_of_its_last_day(
    m: Members, days: int, expected: Refused | None
) -> None:
    sealer, today = m.sealer(GB), NOW_MS // (DAY_S * 1000)
    made = draft(1, (PortionName.BASE, base(), label(FR, by=handling(retain_until=today + days))))
    assert reason(m, sealer.seal_window([sealer.close_record(made, 1)], (), 1)) is expected


def test_who_left_between_sealing_and_admission_is_not_released_to(m: Members) -> None:
    (team,) = [c for c in m.arrangement.directory.communities if c.id == "jit-channel"]
    assert team.end is not None
    end_ms = instant_ms(team.end)
    kept = handling(retain_until=end_ms // (DAY_S * 1000) + 1)
    to_team = Label(kept, Routing((), (CommunityId("jit-channel"),), ()))
    made = draft(1, (PortionName.BASE, base(), to_team), created_s=end_ms // 1000 - 1)
    sealer = m.sealer(GB)
    value = sealer.seal_window([sealer.close_record(made, 1)], (), 1)
    for at_ms, departed in ((end_ms - 1, ()), (end_ms, (FR, IT))):
        out = fold(m.lane(GB), [SourceMessage(0, at_ms, value, True)], m.versions)
        (leaf,) = leaves(out)
        assert isinstance(leaf, Admitted)
        assert leaf.portions[0].audience == (FR, IT)
        assert leaf.portions[0].departed == departed
        assert [to for to, _ in out.shares] == ([] if departed else [FR, IT])


class OtherKey(Sealer):
    """Commits to another key than the one that it wraps and encrypts under."""

    def _close_portion(self, draft: Draft, portion: DraftPortion, commit: Commitments) -> ClosedPortion:
        slot, _, dek = super()._close_portion(draft, portion, commit)
        slot = msgspec.structs.replace(slot, dek_commitment=bytes(32))
        return ClosedPortion(slot, slot_commitment(self._domains, self._agency, draft.record_id, slot), dek)


def test_a_key_that_was_not_committed_to_opens_nothing(m: Members) -> None:
    sealer = OtherKey(GB, m.arrangement, m.signing[GB], SeededEntropy(b"x"))
    (parcel,) = m.delivered(GB, sealer.seal_window([sealer.close_record(plain(1, FR), 1)], (), 1))[FR]
    assert judged(m, parcel) == [Unopened.BAD_COMMITMENT]


@pytest.mark.parametrize(
    "sender, after, upto, role, expected",
    [
        (IT, 0, 1, Role.WINDOW, []),
        (IT, 1, 1, Role.WINDOW, [Unopened.BAD_RECEIPT]),
        (IT, 2, 1, Role.WINDOW, [Unopened.BAD_RECEIPT]),
        (FR, 0, 1, Role.WINDOW, [Unopened.BAD_RECEIPT]),  # our own word about our own lane
        (IT, 0, 1, Role.HEADS, [Unopened.BAD_PATH]),
    ],
)
def test_a_receipt_is_a_members_word_in_its_own_window(
    m: Members, sender: str, after: int, upto: int, role: Role, expected: list[Unopened]
) -> None:
    pair = m.signing[IT if sender == IT else FR]
    control = Control("receipt", record_id("c"), receipt_bytes(Receipt(FR, after, upto, bytes(32), ())))
    leaf = control_leaf(m.domains, control.code, control.id, control.body)
    seal, (path,) = seal_leaves(m.domains, SUITE, pair, role, [leaf], SeededEntropy(b"x"))
    entry = ControlEntry(control.code, control.id, control.body, path, 0)
    assert judged(m, pack_parcel(Parcel(0, (seal,), (), (frame_bytes(entry),)))) == expected


def test_a_broker_certifies_exactly_what_it_gives_under_a_version_that_is_known(m: Members) -> None:
    (parcel,) = m.delivered(GB, one(m))[FR]
    unsaid = certify(m, parcel, FR, lambda c: msgspec.structs.replace(c, released=()))
    assert judged(m, unsaid) == [Unopened.BAD_COMMITMENT]
    strange = certify(m, parcel, FR, lambda c: msgspec.structs.replace(c, arrangement=bytes(32)))
    assert judged(m, strange) == [Unopened.BAD_CERTIFICATE]


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 256, b"x" * 257, b"ends in zeros\0\0"])
def test_padding_hides_the_length_and_comes_off_again(content: bytes) -> None:
    padded = pad(content)
    assert len(padded) - 4 in {256 << k for k in range(4)}
    assert unpad(padded) == content
    with pytest.raises(ValueError, match="padding"):
        unpad(padded + b"\1")
    with pytest.raises(ValueError, match="padding"):
        unpad((2**32 - 1).to_bytes(4, "big") + padded[4:])
