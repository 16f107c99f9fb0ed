"""Receipts as they are forwarded to the originator whose lane they are about: good ones, and bad ones by class."""

from agencies.sealing import Control
from schemas.arrangement import SUITE
from schemas.controls import NO_HEAD, ControlCode, Receipt, ReceiptException, receipt_bytes
from schemas.entropy import SeededEntropy
from schemas.envelope import ControlEntry, control_leaf, frame_bytes
from schemas.frames import Parcel, pack_parcel
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.seal import Role, seal_leaves
from schemas.verdicts import Alarm, Unopened
from tests.support.drafts import record_id
from tests.support.forge import flip
from tests.support.members import Members
from tests.vectors.outcome import Message
from tests.vectors.scenes import FR, GB, IT, Fails, Make, Scene

_HEAD = bytes(range(32))
_GOOD = Receipt(FR, 0, 4, _HEAD, ())


def forwarded(
    m: Members,
    body: bytes,
    *,
    by: AgencyId = IT,
    pair: SigningPair | None = None,
    role: Role = Role.WINDOW,
    seal_index: int = 0,
    touch_seal: bool = False,
    touch_path: bool = False,
) -> bytes:
    """A parcel with one receipt, as a broker that checks nothing would forward it."""
    control = Control(ControlCode.RECEIPT, record_id("receipt"), body)
    leaf = control_leaf(m.domains, control.code, control.id, control.body)
    entropy = SeededEntropy(b"forwarded")
    seal, (path,) = seal_leaves(m.domains, SUITE, pair or m.signing[by], role, [leaf], entropy)
    if touch_seal:
        seal = flip(seal, 8 * (len(seal) - 5))
    if touch_path:
        path = flip(path, 8 * 40)
    entry = ControlEntry(control.code, control.id, control.body, path, seal_index)
    return pack_parcel(Parcel(0, (seal,), (), (frame_bytes(entry),)))


def _good(about: str, receipt: Receipt) -> Make:
    return lambda m: Scene(about, FR, (Message(forwarded(m, receipt_bytes(receipt))),))


def _bad(about: str, receipt: Receipt = _GOOD, **how: object) -> Make:
    def make(m: Members) -> Scene:
        value = forwarded(m, receipt_bytes(receipt), **how)  # type: ignore[arg-type]  # each names its own
        return Scene(about, FR, (Message(value),), Fails.CONTROL)

    return make


def _broken(m: Members) -> Scene:
    value = forwarded(m, receipt_bytes(_GOOD)[:-1])
    return Scene("a body that ends too early", FR, (Message(value),), Fails.CONTROL)


def _long_reason() -> Receipt:
    return Receipt(FR, 0, 4, _HEAD, (ReceiptException(2, "x" * 41),))


def _stranger(m: Members) -> Scene:
    value = forwarded(m, receipt_bytes(_GOOD), pair=SigningPair.from_seeds(bytes(64)))
    return Scene("by a key that no version names", FR, (Message(value),), Fails.CONTROL)


def _brokers(m: Members) -> Scene:
    value = forwarded(m, receipt_bytes(_GOOD), pair=m.broker)
    return Scene("by the broker's key, which is no member's", FR, (Message(value),), Fails.CONTROL)


_EXCEPTIONS = (ReceiptException(2, Unopened.BAD_WRAP), ReceiptException(3, Alarm.CHAIN_BREAK))

GOOD: dict[str, Make] = {
    "interval": _good("numbers 1 to 4 are stored", _GOOD),
    "exceptions": _good("numbers 2 and 3 are not stored as they came", Receipt(FR, 0, 4, _HEAD, _EXCEPTIONS)),
    "no_head": _good(
        "it ends at a number at which no head was signed", Receipt(FR, 0, 3, NO_HEAD, _EXCEPTIONS)
    ),
}

#: By name: the reason, and how it is made.
BAD: dict[str, tuple[Unopened, Make]] = {
    "another_lane": (
        Unopened.BAD_RECEIPT,
        _bad("about GB's lane, in FR's inbox", Receipt(GB, 0, 4, _HEAD, ())),
    ),
    "empty_interval": (Unopened.BAD_RECEIPT, _bad("(4, 4] holds no number", Receipt(FR, 4, 4, _HEAD, ()))),
    "backward_interval": (Unopened.BAD_RECEIPT, _bad("(4, 2] goes back", Receipt(FR, 4, 2, _HEAD, ()))),
    "by_ourselves": (Unopened.BAD_RECEIPT, _bad("FR's receipt about FR's own lane", by=FR)),
    "broken_body": (Unopened.BAD_RECEIPT, _broken),
    "long_reason": (Unopened.BAD_RECEIPT, _bad("an exception's reason of 41 characters", _long_reason())),
    "no_such_seal": (Unopened.MALFORMED, _bad("it names a seal that the parcel has not", seal_index=1)),
    "stranger": (Unopened.UNKNOWN_SIGNER, _stranger),
    "the_brokers_key": (Unopened.UNKNOWN_SIGNER, _brokers),
    "touched_seal": (Unopened.BAD_SEAL, _bad("one bit of the second signature is flipped", touch_seal=True)),
    "touched_path": (Unopened.BAD_PATH, _bad("one bit of the path is flipped", touch_path=True)),
    "seal_over_heads": (Unopened.BAD_PATH, _bad("its seal is over heads, not a window", role=Role.HEADS)),
}
