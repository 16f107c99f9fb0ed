"""Rounds as a recipient meets them: signed heads without certificates, that fit its chain, go beyond it, or fork it."""

from collections.abc import Mapping

import msgspec

from broker.lane import Lane
from broker.rounds import Rounds
from schemas.certificate import Head
from schemas.entropy import SeededEntropy
from schemas.frames import Parcel
from schemas.ids import AgencyId
from tests.support.drafts import plain
from tests.support.forge import edit, flip
from tests.support.members import Members
from tests.vectors.certificates import chain
from tests.vectors.outcome import Message
from tests.vectors.scenes import FR, GB, Fails, Make, Scene


def _round(m: Members, heads: Mapping[AgencyId, Head]) -> bytes:
    """What FR is told in a round, GB's lane having these chain heads."""
    lanes = {agency: m.lane(agency) for agency in m.arrangement.directory.agency_ids}
    lanes[GB] = Lane(GB, lanes[GB].state, dict(heads), {}, lanes[GB].index)
    made = Rounds(m.arrangement, m.broker, SeededEntropy(b"round")).make(lanes, 1_790_000_060_000)
    (told,) = (data for recipient, data in made.deliver if recipient == FR)
    return told


def _chain(m: Members) -> tuple[list[bytes], list[Head]]:
    """Two parcels of one certificate each, and FR's heads after them."""
    parcels = chain(m, [plain(1, FR)], [plain(2, FR)])
    judge = m.judge(FR)
    heads = []
    for data in parcels:
        judge.judge(Message(data).delivered)
        heads.append(judge.head(GB))
    return parcels, heads


def _scene(about: str, *values: bytes, fails: Fails | None = None) -> Scene:
    return Scene(about, FR, tuple(Message(v) for v in values), fails)


def _moved(m: Members) -> Scene:
    parcels, heads = _chain(m)
    return _scene("all that was delivered has come", *parcels, _round(m, {FR: heads[1]}))


def _older(m: Members) -> Scene:
    parcels, heads = _chain(m)
    return _scene("an old round, after a later delivery", *parcels, _round(m, {FR: heads[0]}))


def _tail(m: Members) -> Scene:
    parcels, heads = _chain(m)
    about = "number 2 was delivered and never came: an alarm, and the chain stands at the signed head"
    return _scene(about, parcels[0], _round(m, {FR: heads[1]}), fails=Fails.CHAIN)


def _fork(m: Members) -> Scene:
    parcels, _ = _chain(m)
    told = _round(m, {FR: Head(2, bytes(32))})
    return _scene("another head of number 2, told twice: one alarm", *parcels, told, told, fails=Fails.HEAD)


def _touched(m: Members) -> Scene:
    def broken(p: Parcel) -> Parcel:
        return msgspec.structs.replace(p, seals=(flip(p.seals[0], 8 * (len(p.seals[0]) - 5)),))

    about = "one bit of the second signature over the heads is flipped: each head is refused"
    return _scene(about, edit(_round(m, {}), broken), fails=Fails.HEAD)


GOOD: dict[str, Make] = {
    "nothing_moved": lambda m: _scene("no lane has delivered anything yet", _round(m, {})),
    "all_came": _moved,
    "older": _older,
}

BAD: dict[str, Make] = {"tail_dropped": _tail, "fork": _fork, "bad_seal": _touched}
