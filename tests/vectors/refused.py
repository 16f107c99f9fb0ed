"""Submissions: good ones, and one bad one for each reason of the closed list."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from agencies.drafting import Draft
from agencies.sealing import ClosedRecord, Control
from schemas.clock import DAY_S
from schemas.codes import PortionName, SubjectCategory
from schemas.controls import Receipt, receipt_bytes
from schemas.envelope import BrokerOnly, Manifest, PortionSlot, RecordEntry
from schemas.frames import MAGIC, MAX_PARCEL, PREFIX, Parcel
from schemas.verdicts import Refused
from tests.support.drafts import base, draft, handling, label, persons, plain, record_id, sources
from tests.support.federation import NOW_MS
from tests.support.forge import edit, edit_entry, flip, reform
from tests.support.members import Members
from tests.vectors.outcome import Message
from tests.vectors.scenes import FR, GB, IT, XA, Fails, Make, Scene


def window(
    members: Members,
    *drafts: Draft,
    first: int = 1,
    change: Callable[[ClosedRecord], ClosedRecord] = lambda c: c,
    controls: Sequence[Control] = (),
    agency: str = GB,
) -> bytes:
    """One window of an agency, each record changed before it is signed."""
    sealer = members.sealer(XA if agency == XA else GB)
    closed = [change(sealer.close_record(d, first + i)) for i, d in enumerate(drafts)]
    return sealer.seal_window(closed, controls, first)


def _scene(about: str, *values: bytes, agency: str = GB, at_ms: int = NOW_MS + 1000) -> Scene:
    return Scene(about, XA if agency == XA else GB, tuple(Message(v, at_ms) for v in values))


def _broker_only(about: str, change: Callable[[BrokerOnly], BrokerOnly]) -> Make:
    def make(m: Members) -> Scene:
        return _scene(
            about,
            window(m, plain(1, FR), change=lambda c: reform(m.domains, c, broker_only=change)),
        )

    return make


def _manifest(about: str, change: Callable[[Manifest], Manifest]) -> Make:
    def make(m: Members) -> Scene:
        return _scene(about, window(m, plain(1, FR), change=lambda c: reform(m.domains, c, manifest=change)))

    return make


def _slot(about: str, change: Callable[[PortionSlot], PortionSlot]) -> Make:
    def make(m: Members) -> Scene:
        def slots(c: ClosedRecord) -> ClosedRecord:
            return reform(m.domains, c, portions=[change(s) for s in c.portions])

        return _scene(about, window(m, plain(1, FR), change=slots))

    return make


def _too_large(m: Members) -> Scene:
    good = window(m, plain(1, FR))
    large = Message(good, zeros=MAX_PARCEL + 1 - len(good))
    return Scene("one byte over the limit; what it begins with plays no part", GB, (large,))


def _kafka_key(m: Members) -> Scene:
    return Scene(
        "a good window in a message with a key or a header",
        GB,
        (Message(window(m, plain(1, FR)), bare=False),),
    )


def _suspended(m: Members) -> Scene:
    start_ms = m.arrangement.directory.suspensions[0].start_ms
    assert start_ms is not None
    during = start_ms + DAY_S * 1000
    made = plain(1, GB)
    value = window(m, replace(made, created_s=during // 1000), agency=XA)
    return _scene("a good window of an agency while it is suspended", value, agency=XA, at_ms=during)


def _unknown_signer(m: Members) -> Scene:
    sealer = m.sealer(FR)
    value = sealer.seal_window([sealer.close_record(plain(1, IT), 1)], (), 1)
    return _scene("a window of another member on this originator's topic", value)


def _signer_expired(m: Members) -> Scene:
    until_ms = m.arrangement.directory.agency(GB).signing_until_ms
    assert until_ms is not None
    return _scene(
        "a good window at the instant at which the signing key ends", window(m, plain(1, FR)), at_ms=until_ms
    )


def _bad_seal(m: Members) -> Scene:
    def broken(p: Parcel) -> Parcel:
        return msgspec.structs.replace(p, seals=(flip(p.seals[0], 8 * (len(p.seals[0]) - 5)),))

    return _scene("one bit of the second signature is flipped", edit(window(m, plain(1, FR)), broken))


def _bad_path(m: Members) -> Scene:
    value = edit_entry(
        window(m, plain(1, FR)), 0, lambda e: msgspec.structs.replace(e, path=flip(e.path, 8 * 40))
    )
    return _scene("one bit of a neighbour in the path is flipped", value)


def _unknown_control(m: Members) -> Scene:
    control = Control("hit", record_id("control"), b"")
    return _scene("a control code that is reserved but not carried yet", window(m, controls=[control]))


def _malformed(m: Members) -> Scene:
    return _scene("random bytes after magic and version", PREFIX + bytes(range(200)))


def _bad_slot(m: Members) -> Scene:
    def other_salt(e: RecordEntry) -> RecordEntry:
        slot = e.portions[0]
        changed = msgspec.structs.replace(slot, salt=flip(slot.salt, 3))
        return msgspec.structs.replace(e, portions=(changed, *e.portions[1:]))

    return _scene(
        "one bit of a portion's salt is flipped", edit_entry(window(m, plain(1, FR)), 0, other_salt)
    )


def _without_wraps(b: BrokerOnly) -> BrokerOnly:
    return msgspec.structs.replace(
        b, audience=tuple(msgspec.structs.replace(a, wraps=()) for a in b.audience)
    )


def _sequence_mismatch(m: Members) -> Scene:
    value = edit(window(m, plain(1, FR)), lambda p: msgspec.structs.replace(p, first=2))
    return _scene("the frame says 2, the broker-only slot says 1", value)


def _sequence_reused(m: Members) -> Scene:
    return _scene(
        "sequence 1 again, with another record",
        window(m, plain(1, FR)),
        window(m, plain(2, FR)),
    )


def _sequence_passed(m: Members) -> Scene:
    return _scene(
        "sequence 2 leaves a gap; then comes a record with the sequence 1 that was passed over",
        window(m, plain(2, FR), first=2),
        window(m, plain(1, FR)),
    )


def _unknown_portion(m: Members) -> Scene:
    made = _slot(
        "a portion that the kind does not have", lambda s: msgspec.structs.replace(s, name="referral")
    )
    return made(m)


def _incomplete_label(m: Members) -> Scene:
    made = draft(1, (PortionName.PERSONS, persons(), label(FR, by=handling())))
    return _scene("a portion that bears persons, without subjects and states of origin", window(m, made))


def _label_not_in_arrangement(m: Members) -> Scene:
    routing = msgspec.msgpack.encode([["zz-nobody"], [], []])
    return _slot(
        "released to an agency that the arrangement does not know",
        lambda s: msgspec.structs.replace(s, routing=routing),
    )(m)


def _created_in_future(m: Members) -> Scene:
    made = replace(plain(1, FR), created_s=NOW_MS // 1000 + 122)
    return _scene("created 121 s after its admission; the tolerance is 120 s", window(m, made))


def _expired(m: Members) -> Scene:
    yesterday = NOW_MS // (DAY_S * 1000) - 1
    made = draft(1, (PortionName.BASE, base(), label(FR, by=handling(retain_until=yesterday))))
    return _scene("retain-until was yesterday", window(m, made))


def _unknown_capsule(m: Members) -> Scene:
    value = edit(window(m, plain(1, FR)), lambda p: msgspec.structs.replace(p, capsules=()))
    return _scene("the capsule that the wrap names was never sent", value)


def _audience_mismatch(m: Members) -> Scene:
    def nobody(c: ClosedRecord) -> ClosedRecord:
        return reform(m.domains, c, broker_only=lambda b: msgspec.structs.replace(b, audience=b.audience[:1]))

    return _scene("releasable to two, sealed for one", window(m, plain(1, FR, IT), change=nobody))


def _equivocation(m: Members) -> Scene:
    return _scene(
        "revision 1 of a record twice, with different content",
        window(m, plain(1, FR)),
        window(m, plain(1, FR, summary="Something else"), first=2),
    )


REFUSED: dict[Refused, Make] = {
    Refused.TOO_LARGE: _too_large,
    Refused.KAFKA_KEY_OR_HEADERS: _kafka_key,
    Refused.BAD_MAGIC: lambda m: _scene("not our magic", b"PNETTNE" + window(m, plain(1, FR))[7:]),
    Refused.UNSUPPORTED_VERSION: lambda m: _scene(
        "format version 2", MAGIC + b"\x02" + window(m, plain(1, FR))[8:]
    ),
    Refused.MALFORMED: _malformed,
    Refused.ORIGINATOR_NOT_ACTIVE: _suspended,
    Refused.UNKNOWN_SIGNER: _unknown_signer,
    Refused.BAD_SEAL: _bad_seal,
    Refused.SIGNER_EXPIRED: _signer_expired,
    Refused.BAD_PATH: _bad_path,
    Refused.UNKNOWN_CONTROL: _unknown_control,
    Refused.WRONG_ORIGINATOR: _manifest(
        "a record in another agency's name, signed by the topic's owner",
        lambda m: msgspec.structs.replace(m, originator=FR),
    ),
    Refused.BAD_SLOT: _bad_slot,
    Refused.BAD_WRAP: _broker_only("a recipient has a portion and no wrap of its key", _without_wraps),
    Refused.SEQUENCE_MISMATCH: _sequence_mismatch,
    Refused.SEQUENCE_REUSED: _sequence_reused,
    Refused.SEQUENCE_PASSED: _sequence_passed,
    Refused.UNKNOWN_KIND: _manifest(
        "a kind that nobody knows", lambda m: msgspec.structs.replace(m, kind="horoscope")
    ),
    Refused.UNKNOWN_PORTION: _unknown_portion,
    Refused.UNKNOWN_LABEL_CODE: _slot(
        "a TLP of a shape like any other, but not in the list",
        lambda s: msgspec.structs.replace(s, handling=s.handling.replace(b"GREEN", b"BROWN")),
    ),
    Refused.LABEL_NOT_IN_ARRANGEMENT: _label_not_in_arrangement,
    Refused.INCOMPLETE_LABEL: _incomplete_label,
    Refused.CREATED_IN_FUTURE: _created_in_future,
    Refused.EXPIRED: _expired,
    Refused.UNKNOWN_VERSION: _broker_only(
        "sealed under a version that the lane does not know",
        lambda b: msgspec.structs.replace(b, arrangement=bytes(32)),
    ),
    Refused.UNKNOWN_CAPSULE: _unknown_capsule,
    Refused.AUDIENCE_MISMATCH: _audience_mismatch,
    Refused.BAD_REVISION: lambda m: _scene(
        "the first of a record is revision 3", window(m, plain(1, FR, revision=3))
    ),
    Refused.EQUIVOCATION: _equivocation,
}


_WHOLE = {
    Refused.TOO_LARGE,
    Refused.KAFKA_KEY_OR_HEADERS,
    Refused.BAD_MAGIC,
    Refused.UNSUPPORTED_VERSION,
    Refused.MALFORMED,
    Refused.UNKNOWN_SIGNER,
    Refused.BAD_SEAL,
}


def fails(reason: Refused) -> Fails:
    """The class of failure of the scene for a reason."""
    if reason in _WHOLE:
        return Fails.MESSAGE
    return Fails.CONTROL if reason is Refused.UNKNOWN_CONTROL else Fails.RECORD


def good_submissions(m: Members) -> dict[str, Scene]:
    """Submissions that are admitted, or dropped as repeats."""
    one = window(m, plain(1, FR))
    receipt = Control("receipt", record_id("r"), receipt_bytes(Receipt(FR, 0, 4, bytes(32), ())))
    suspects = handling(subjects=(SubjectCategory.SUSPECT,), cleared=True, origins=("XA",))
    three = draft(
        3,
        (PortionName.BASE, base(), label(FR, IT, XA)),
        (PortionName.SOURCES, sources(), label(FR)),
        (PortionName.PERSONS, persons(), label(FR, IT, by=suspects)),
    )
    return {
        "one_record": _scene("a record of one portion for one recipient", one),
        "three_portions": _scene(
            "three portions with different audiences; one bears persons", window(m, three)
        ),
        "window": _scene(
            "a window of two records and a receipt", window(m, plain(1, FR), plain(2, IT), controls=[receipt])
        ),
        "resend": _scene("a window and its resend: dropped as a duplicate", one, one),
        "revision": _scene(
            "a record and its correction", one, window(m, plain(1, FR, IT, revision=2), first=2)
        ),
    }
