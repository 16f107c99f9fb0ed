"""Chains of certificates as a recipient meets them: whole, with a part missing, tampered with, forked."""

from collections.abc import Callable
from functools import partial

import msgspec

from agencies.drafting import Draft
from broker.admission import SourceMessage
from broker.lane import fold
from schemas.certificate import Certificate, certificate_bytes, parse_certificate
from schemas.envelope import DeliveryEntry
from tests.support.drafts import plain
from tests.support.federation import NOW_MS, commit
from tests.support.forge import certify, edit, edit_delivery, without_entry
from tests.support.members import Members
from tests.vectors.outcome import Message
from tests.vectors.scenes import FR, GB, Fails, Make, Scene


def chain(m: Members, *windows: list[Draft]) -> list[bytes]:
    """The parcels that FR gets for GB's windows, one step each."""
    sealer, lane, out, first = m.sealer(GB), m.lane(GB), list[bytes](), 1
    for offset, drafts in enumerate(windows):
        closed = [sealer.close_record(d, i) for i, d in enumerate(drafts, first)]
        value = sealer.seal_window(closed, (), first)
        folded = fold(lane, [SourceMessage(offset, NOW_MS + 1000, value, True)], m.versions)
        out += m.deliver((lane, folded))[FR]
        commit(lane, folded)
        first += len(drafts)
    return out


def _three(m: Members) -> list[bytes]:
    """Parcels with the numbers 1 to 3, 4, 5 and 6."""
    return chain(m, [plain(i, FR) for i in (1, 2, 3)], [plain(4, FR)], [plain(5, FR), plain(6, FR)])


def _scene(about: str, *values: bytes, fails: Fails | None = None) -> Scene:
    return Scene(about, FR, tuple(Message(v) for v in values), fails)


def _correction(m: Members) -> Scene:
    corrected = plain(1, FR, summary="Eleven hulls", revision=2)
    return _scene("the second certificate names what it replaces", *chain(m, [plain(1, FR)], [corrected]))


def _missing_parcel(m: Members) -> Scene:
    first, _, third = _three(m)
    return _scene(
        "number 4 never came: what follows is stored, with an alarm", first, third, fails=Fails.CHAIN
    )


def _missing_entry(m: Members) -> Scene:
    first, second, _ = _three(m)
    cut = edit(first, partial(without_entry, index=1))
    about = "number 2 was left out: the place of the one before it cannot be proven, and it is stored without a number"
    return _scene(about, cut, second, fails=Fails.CHAIN)


def _touched(about: str, index: int, change: Callable[[Certificate], Certificate]) -> Make:
    def touch(entry: DeliveryEntry) -> DeliveryEntry:
        changed = certificate_bytes(change(parse_certificate(entry.certificate)))
        return msgspec.structs.replace(entry, certificate=changed)

    def make(m: Members) -> Scene:
        first, second, _ = _three(m)
        return _scene(about, edit_delivery(first, index, touch), second, fails=Fails.DELIVERY)

    return make


def _other_predecessor(m: Members) -> Scene:
    (one,) = chain(m, [plain(1, FR)])
    value = certify(m, one, FR, lambda c: msgspec.structs.replace(c, predecessor=bytes(32)))
    return _scene(
        "the broker signed a head whose certificate follows another chain", value, fails=Fails.CHAIN
    )


def _fork(m: Members) -> Scene:
    (other,) = chain(m, [plain("fork", FR)])
    return _scene("another certificate at number 1, after number 6", *_three(m), other, fails=Fails.DELIVERY)


GOOD: dict[str, Make] = {
    "chain": lambda m: _scene("three parcels, six certificates", *_three(m)),
    "correction": _correction,
    "repeat_of_an_old_parcel": lambda m: _scene(
        "an old parcel again, behind all others: dropped", *(p := _three(m)), p[0]
    ),
}

BAD: dict[str, Make] = {
    "missing_parcel": _missing_parcel,
    "missing_entry": _missing_entry,
    "changed_number": _touched(
        "number 2 says that it is number 7", 1, lambda c: msgspec.structs.replace(c, number=7)
    ),
    "changed_reason": _touched(
        "the last one before the head says that it was admitted a second later",
        2,
        lambda c: msgspec.structs.replace(c, admitted_ms=c.admitted_ms + 1000),
    ),
    "other_predecessor": _other_predecessor,
    "fork": _fork,
}
