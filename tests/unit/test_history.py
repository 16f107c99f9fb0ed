"""What was signed, folded: versions and clock changes that verify hold in order, everything else changes nothing."""

from collections.abc import Mapping

import msgspec
import pytest

from broker.versions import ReadyHistory
from schemas.arrangement import ArrangementBody, ArrangementError, countersign, propose
from schemas.clock import IDENTITY_CLOCK, ClockMap, Piece
from schemas.directory import Directory, Suspension
from schemas.history import ClockChange, History, Standing, countersign_clock, propose_clock
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from tests.support import federation
from tests.support.members import members

M = members()
GENESIS = federation.ceremony().genesis
XA = AgencyId("xa-np")
SLOW = ClockMap((Piece(1000, 1000, 500_000),))


def signers(count: int) -> Mapping[AgencyId, SigningPair]:
    return dict(list(M.identities.items())[:count])


def suspended(directory: Directory, reason: str = "review") -> Directory:
    return directory.model_copy(
        update={"suspensions": (*directory.suspensions, Suspension(agency=XA, reason=reason))}
    )


def successor(after: Standing, **changes: object) -> ArrangementBody:
    body = after.arrangement.body
    plain: dict[str, object] = {
        "number": body.number + 1,
        "predecessor": after.arrangement.digest.hex(),
        "directory": suspended(body.directory),
    }
    return body.model_copy(update={**plain, **changes})


def version(body: ArrangementBody, count: int = 3) -> bytes:
    return countersign(propose(body), signers(count))


def change(
    history: History,
    clock: ClockMap,
    count: int = 3,
    *,
    number: int | None = None,
    before: ClockMap | None = None,
) -> bytes:
    data = propose_clock(
        ClockChange(
            history.next_change if number is None else number,
            M.arrangement.digest,
            history.current.clock if before is None else before,
            clock,
        )
    )
    return countersign_clock(M.domains, data, signers(count))


@pytest.fixture(params=[History, ReadyHistory])
def history(request: pytest.FixtureRequest) -> History:
    found = request.param(M.arrangement.digest)
    assert isinstance(found, History)
    found.read(GENESIS)
    return found


def test_versions_and_clocks_follow_one_another(history: History) -> None:
    genesis = history.current
    assert genesis == (M.arrangement, IDENTITY_CLOCK)
    first = history.read(version(successor(genesis)))
    second = history.read(change(history, SLOW))
    third = history.read(version(successor(first, directory=suspended(first.arrangement.directory, "again"))))
    assert [s.arrangement.body.number for s in history.standings] == [0, 1, 1, 2]
    assert [s.clock for s in history.standings] == [IDENTITY_CLOCK, IDENTITY_CLOCK, SLOW, SLOW]
    assert history.after(M.arrangement.digest, IDENTITY_CLOCK) == [first, second, third]
    assert history.after(first.arrangement.digest, SLOW) == [third]
    assert history.after(third.arrangement.digest, SLOW) == []
    assert set(history.versions) == {s.arrangement.digest for s in (genesis, first, third)}
    with pytest.raises(ArrangementError, match="never signed"):
        history.after(genesis.arrangement.digest, SLOW)


def test_signatures_are_gathered_one_by_one(history: History) -> None:
    data = propose(successor(history.current))
    for agency, pair in M.identities.items():
        with pytest.raises(ArrangementError, match="good signatures of 3 needed"):
            history.read(data)
        data = countersign(data, {agency: pair})
        if len(signers(3)) == 3 and agency == list(M.identities)[2]:
            break
    assert history.read(data).arrangement.body.number == 1


MOVED = M.arrangement.directory.model_copy(update={"lanes": {XA: 1}})


def test_a_version_that_moves_lanes_and_nothing_else_is_believed(history: History) -> None:
    assert history.partitions == 1
    assert history.read(
        version(successor(history.current, directory=MOVED))
    ).arrangement.directory.shards == (0, 1)
    back = version(successor(history.current, directory=M.arrangement.directory))
    assert history.read(back).arrangement.directory.shards == (0,)
    assert history.partitions == 2, "what was delivered by a shard stays in its partition"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"number": 2}, "does not follow"),
        ({"predecessor": "00" * 32}, "does not follow"),
        ({"federation": "other"}, "are not signed by it"),  # keys are signed for one federation
        ({"gate_version": 99}, "wants gate 99"),
        ({"broker": M.arrangement.body.keys[XA].signing}, "share a signing key"),
        ({"directory": MOVED, "threshold": 2}, "moves lanes and changes more"),
        ({"directory": MOVED.model_copy(update={"communities": ()})}, "moves lanes and changes more"),
    ],
)
def test_a_version_that_is_not_believed(history: History, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ArrangementError, match=message):
        history.read(version(successor(history.current, **changes)))
    assert len(history.standings) == 1
    history.read(version(successor(history.current)))


def test_a_member_that_signs_twice_counts_once(history: History) -> None:
    data = version(successor(history.current), 2)
    data = countersign(data, signers(2))
    with pytest.raises(ArrangementError, match="bears 2 good signatures"):
        history.read(data)


def test_a_clock_that_is_not_believed(history: History) -> None:
    backwards = ClockMap((Piece(1000, 1000, 10**9), Piece(2000, 0, 0)))
    for data, message in (
        (change(history, SLOW, 2), "bears 2 good signatures"),
        (change(history, SLOW, number=2), "does not follow"),
        (change(history, SLOW, before=SLOW), "does not follow"),
        (change(history, IDENTITY_CLOCK), "changes nothing"),
        (propose_clock(ClockChange(1, M.arrangement.digest, IDENTITY_CLOCK, backwards)), "goes back in time"),
        (change(history, SLOW)[:-5], "cannot be read"),
    ):
        with pytest.raises(ArrangementError, match=message):
            history.read(data)
    assert history.current == (M.arrangement, IDENTITY_CLOCK)
    history.read(change(history, SLOW))
    again = change(history, SLOW, number=1, before=IDENTITY_CLOCK)
    with pytest.raises(ArrangementError, match="does not follow"):
        history.read(again)


def test_rules_that_cannot_be_used_hold_nowhere_and_the_next_version_follows_the_one_before() -> None:
    broker, node = ReadyHistory(M.arrangement.digest), History(M.arrangement.digest)
    for each in (broker, node):
        each.read(GENESIS)
    broken = version(
        successor(broker.current, policies={"sharing/x.cedar": "permit (principal, action, resource);"})
    )
    with pytest.raises(ArrangementError, match=r"sharing/x\.cedar"):
        broker.read(broken)
    node.read(broken)  # a node reads no rules: its lane's ledger will say that nobody acts on them
    good = version(successor(broker.current))
    assert broker.read(good).arrangement.digest == node.read(good).arrangement.digest
    assert broker.ready.keys() == broker.versions.keys()


def test_the_first_message_is_the_pinned_genesis_or_nothing_holds() -> None:
    other = History(M.arrangement.digest)
    for data in (b"", version(M.arrangement.body, 2), change_of_nothing()):
        with pytest.raises(ArrangementError):
            other.read(data)
    assert other.standings == []


def change_of_nothing() -> bytes:
    return propose_clock(ClockChange(1, M.arrangement.digest, IDENTITY_CLOCK, SLOW))


def test_a_clock_change_holds_for_its_federation_alone(history: History) -> None:
    foreign = msgspec.structs.replace(
        ClockChange(1, M.arrangement.digest, IDENTITY_CLOCK, SLOW), genesis=b"\7" * 32
    )
    with pytest.raises(ArrangementError, match="does not follow"):
        history.read(countersign_clock(M.domains, propose_clock(foreign), signers(3)))
