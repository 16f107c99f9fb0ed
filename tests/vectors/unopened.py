"""Deliver parcels: good ones, and one bad one for each reason of the closed list.

What a recipient must notice of a bad broker is signed here with the broker's own key.
"""

from collections.abc import Callable, Sequence

import msgspec

from agencies.drafting import Draft
from agencies.sealing import ClosedRecord, Control, Sealer
from schemas.codes import PortionName, SubjectCategory
from schemas.controls import Receipt, receipt_bytes
from schemas.entropy import SeededEntropy
from schemas.envelope import ControlEntry, DeliveryEntry, ReleasedPortion, frame_bytes, parse_submission_entry
from schemas.frames import MAGIC, MAX_PARCEL, PREFIX, Parcel, pack_parcel, parse_parcel
from schemas.keys import SigningPair
from schemas.verdicts import Unopened
from tests.support.drafts import base, draft, handling, label, persons, plain, record_id, sources
from tests.support.forge import WrongCiphertext, certify, edit, edit_delivery, flip, without_entry
from tests.support.members import Members
from tests.vectors.outcome import Message
from tests.vectors.scenes import FR, GB, IT, Fails, Make, Scene


def delivered(
    m: Members, *drafts: Draft, sealer: Sealer | None = None, controls: Sequence[Control] = ()
) -> bytes:
    """The parcel that FR gets for one window of GB."""
    sealer = sealer or m.sealer(GB)
    closed: list[ClosedRecord] = [sealer.close_record(d, i) for i, d in enumerate(drafts, 1)]
    (parcel,) = m.delivered(GB, sealer.seal_window(closed, controls, 1))[FR]
    return parcel


def _scene(about: str, *values: bytes) -> Scene:
    return Scene(about, FR, tuple(Message(v) for v in values))


def _too_large(m: Members) -> Scene:
    good = delivered(m, plain(1, FR))
    large = Message(good, zeros=MAX_PARCEL + 1 - len(good))
    return Scene("one byte over the limit", FR, (large,))


def _kafka_key(m: Members) -> Scene:
    return Scene(
        "a good parcel in a message with a key or a header",
        FR,
        (Message(delivered(m, plain(1, FR)), bare=False),),
    )


def _unknown_signer(m: Members) -> Scene:
    stranger = SigningPair.from_seeds(bytes(64))
    value = certify(m, delivered(m, plain(1, FR)), FR, pair=stranger)
    return _scene("the chain's head is signed by a stranger", value)


def _bad_seal(m: Members) -> Scene:
    def broken(p: Parcel) -> Parcel:
        heads = p.seals[-1]
        return msgspec.structs.replace(p, seals=(*p.seals[:-1], flip(heads, 8 * (len(heads) - 5))))

    return _scene(
        "one bit of the second signature over the heads is flipped", edit(delivered(m, plain(1, FR)), broken)
    )


def _signer_expired(m: Members) -> Scene:
    until_ms = m.arrangement.directory.agency(GB).signing_until_ms
    assert until_ms is not None
    value = certify(
        m, delivered(m, plain(1, FR)), FR, lambda c: msgspec.structs.replace(c, admitted_ms=until_ms)
    )
    return _scene("the broker says that it admitted the record when the originator's key had ended", value)


def _bad_path(m: Members) -> Scene:
    value = edit_delivery(
        delivered(m, plain(1, FR)), 0, lambda e: msgspec.structs.replace(e, path=flip(e.path, 8 * 40))
    )
    return _scene("one bit of the path to the originator's seal is flipped", value)


def _bad_head(m: Members) -> Scene:
    value = edit(delivered(m, plain(1, FR)), lambda p: without_entry(p, len(p.entries) - 1))
    return _scene("a delivery whose chain head is not in the parcel", value)


def _bad_certificate(m: Members) -> Scene:
    value = certify(
        m,
        delivered(m, plain(1, FR)),
        FR,
        lambda c: msgspec.structs.replace(c, record_id=bytes(16)),
    )
    return _scene("the broker certifies another record than the manifest's", value)


def _not_for_us(m: Members) -> Scene:
    value = certify(m, delivered(m, plain(1, FR)), FR, lambda c: msgspec.structs.replace(c, recipient=IT))
    return _scene("the broker gives us what it certified for another", value)


def _portion(about: str, change: Callable[[ReleasedPortion], ReleasedPortion]) -> Make:
    def first(e: DeliveryEntry) -> DeliveryEntry:
        return msgspec.structs.replace(e, portions=(change(e.portions[0]), *e.portions[1:]))

    return lambda m: _scene(about, edit_delivery(delivered(m, plain(1, FR)), 0, first))


def _bad_capsule(m: Members) -> Scene:
    def broken(p: Parcel) -> Parcel:
        capsule = p.capsules[0]
        return msgspec.structs.replace(p, capsules=(flip(capsule, 8 * (len(capsule) - 1)),))

    return _scene("one bit of what HPKE sealed is flipped", edit(delivered(m, plain(1, FR)), broken))


def _bad_ciphertext(m: Members) -> Scene:
    sealer = WrongCiphertext(GB, m.arrangement, m.signing[GB], SeededEntropy(b"wrong"))
    return _scene(
        "the originator committed to a ciphertext that the key does not open",
        delivered(m, plain(1, FR), sealer=sealer),
    )


def _bad_content(m: Members) -> Scene:
    made = draft(1, (PortionName.BASE, sources(), label(FR)))
    return _scene("a base portion with the content of another", delivered(m, made))


def _controls(m: Members, code: str, body: bytes) -> bytes:
    """A control message in a parcel of its own, as a broker that checks nothing would forward it."""
    sealer = m.sealer(IT)
    window = parse_parcel(sealer.seal_window((), [Control(code, record_id("c"), body)], 1))
    entry = parse_submission_entry(window.entries[0])
    assert isinstance(entry, ControlEntry)
    return pack_parcel(Parcel(0, window.seals, (), (frame_bytes(entry),)))


def _receipt(lane: str, after: int, upto: int) -> bytes:
    return receipt_bytes(Receipt(lane, after, upto, bytes(32), ()))


UNOPENED: dict[Unopened, Make] = {
    Unopened.TOO_LARGE: _too_large,
    Unopened.KAFKA_KEY_OR_HEADERS: _kafka_key,
    Unopened.BAD_MAGIC: lambda m: _scene("not our magic", b"PNETTNE" + delivered(m, plain(1, FR))[7:]),
    Unopened.UNSUPPORTED_VERSION: lambda m: _scene(
        "format version 2", MAGIC + b"\x02" + delivered(m, plain(1, FR))[8:]
    ),
    Unopened.MALFORMED: lambda m: _scene("random bytes after magic and version", PREFIX + bytes(range(200))),
    Unopened.UNKNOWN_SIGNER: _unknown_signer,
    Unopened.BAD_SEAL: _bad_seal,
    Unopened.SIGNER_EXPIRED: _signer_expired,
    Unopened.BAD_PATH: _bad_path,
    Unopened.BAD_HEAD: _bad_head,
    Unopened.BAD_CERTIFICATE: _bad_certificate,
    Unopened.NOT_FOR_US: _not_for_us,
    Unopened.BAD_COMMITMENT: _portion(
        "one bit of a portion's salt is flipped", lambda p: msgspec.structs.replace(p, salt=flip(p.salt, 3))
    ),
    Unopened.BAD_CAPSULE: _bad_capsule,
    Unopened.BAD_WRAP: _portion(
        "one bit of the wrap is flipped", lambda p: msgspec.structs.replace(p, wrap=flip(p.wrap, 200))
    ),
    Unopened.BAD_CIPHERTEXT: _bad_ciphertext,
    Unopened.BAD_CONTENT: _bad_content,
    Unopened.UNKNOWN_CONTROL: lambda m: _scene(
        "a control code that is not carried yet", _controls(m, "hit", b"")
    ),
    Unopened.BAD_RECEIPT: lambda m: _scene(
        "a receipt about another lane than ours", _controls(m, "receipt", _receipt(GB, 0, 4))
    ),
}


_CLASSES = {
    Fails.MESSAGE: {
        Unopened.TOO_LARGE,
        Unopened.KAFKA_KEY_OR_HEADERS,
        Unopened.BAD_MAGIC,
        Unopened.UNSUPPORTED_VERSION,
        Unopened.MALFORMED,
    },
    Fails.CONTROL: {Unopened.UNKNOWN_CONTROL, Unopened.BAD_RECEIPT},
    Fails.PORTION: {
        Unopened.BAD_COMMITMENT,
        Unopened.BAD_CAPSULE,
        Unopened.BAD_WRAP,
        Unopened.BAD_CIPHERTEXT,
        Unopened.BAD_CONTENT,
    },
}


def fails(reason: Unopened) -> Fails:
    """The class of failure of the scene for a reason."""
    return next((found for found, reasons in _CLASSES.items() if reason in reasons), Fails.DELIVERY)


def good_deliveries(m: Members) -> dict[str, Scene]:
    """Parcels that open in full."""
    suspects = handling(subjects=(SubjectCategory.SUSPECT,), origins=("XA",), cleared=True)
    named = draft(
        3,
        (PortionName.BASE, base(), label(FR, IT)),
        (PortionName.SOURCES, sources(), label(IT)),
        (PortionName.PERSONS, persons(), label(FR, by=suspects)),
    )
    one = delivered(m, plain(1, FR))
    return {
        "one_record": _scene("one record of one portion", one),
        "repeat": _scene("a parcel twice: the repeat is dropped", one, one),
        "window": _scene(
            "a window with a record of three portions of which we see two", delivered(m, plain(1, FR), named)
        ),
        "receipt": _scene("a receipt for our lane", _controls(m, "receipt", _receipt(FR, 0, 4))),
    }
