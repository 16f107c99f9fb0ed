"""What a ledger shows: the broker's chains again, certificate by certificate, from leaves and rulings alone."""

from collections.abc import Mapping

import msgspec
import pytest

from agencies.shown import NOTHING_KEPT, Kept, Lacks, Shown
from schemas.arrangement import Arrangement
from schemas.certificate import Head
from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted, Gap, Leaf, RulingEntry
from schemas.rulings import parse_ruling, ruling_bytes, ruling_digest
from schemas.verdicts import Effect, Verdict
from tests.support import federation
from tests.support.drafts import plain
from tests.support.lanes import GrowingLane, items_of
from tests.support.members import members
from tests.vectors.scenes import FR, GB, IT

M = members()
VERSIONS: Mapping[Digest, Arrangement] = {M.arrangement.digest: M.arrangement}


def nothing() -> Shown:
    return Shown(GB, M.domains, {}, 0, None)


def heads(lane: GrowingLane) -> dict[AgencyId, Head]:
    return {agency: Head(len(chain), chain[-1]) for agency, chain in lane.chains.items()}


def test_every_certificate_of_a_plan_is_made_again() -> None:
    lane = GrowingLane(M, GB)
    planned = federation.drafts(GB, 30)
    lane.publish(*planned[:20])
    lane.publish(*planned[20:])
    shown = nothing()
    shown.take(items_of(lane.messages), VERSIONS)
    assert len(lane.chains) > 2
    assert shown.news.digests == lane.chains
    assert shown.heads == heads(lane)


def test_corrections_name_what_they_replace_and_new_versions_their_own_reasons() -> None:
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR), plain(2, FR, IT))
    second = lane.amend("amended").arrangement
    lane.publish(plain(1, FR, IT, revision=2), plain(2, IT, revision=2), plain(1, FR, revision=3))
    shown = nothing()
    shown.take(items_of(lane.messages), {**VERSIONS, second.digest: second})
    assert {agency: len(chain) for agency, chain in lane.chains.items()} == {FR: 4, IT: 3}
    assert shown.news.digests == lane.chains


def test_the_same_again_changes_nothing() -> None:
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR))
    shown = nothing()
    for _ in range(2):
        shown.take(items_of(lane.messages), VERSIONS)
    assert shown.news.digests == lane.chains


def test_it_goes_on_from_what_was_kept() -> None:
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR, IT))
    first = nothing()
    first.take(items_of(lane.messages), VERSIONS)
    before = len(lane.messages)
    lane.publish(plain(1, FR, IT, revision=2), plain(2, FR, IT))
    later = items_of(lane.messages[before:])
    assert not any(isinstance(item, RulingEntry) for item in later)
    second = Shown(GB, M.domains, first.heads, first.leaves, M.arrangement)
    assert second.lacks(later) == Lacks(set(first.news.rulings), set(first.news.holders))
    second.take(later, VERSIONS, Kept(first.news.rulings, first.news.holders))
    assert second.heads == heads(lane)
    assert second.lacks(later) == Lacks(set(), set())


NO_UTF8 = b"\x92\xc4\x20" + bytes(32) + b"\x91\x94\xa1\xff\xc2\xa6permit\x90"
"""A ruling but for its recipient's name."""


def test_by_a_ruling_that_was_never_written_nothing_is_shown() -> None:
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR))
    items = items_of(lane.messages)
    shown = nothing()
    shown.take([i for i in items if not isinstance(i, RulingEntry)], VERSIONS, NOTHING_KEPT)
    assert shown.heads == {}


@pytest.mark.parametrize("data", [b"", b"\xc1", NO_UTF8, b"\x91" * 100_000])
def test_by_a_ruling_that_is_none_nothing_is_shown(data: bytes) -> None:
    """Under the name of what was decided by, as a leaf of the broker may name any bytes."""
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR))
    named = ruling_digest(M.domains, data)
    items = [
        RulingEntry(data)
        if isinstance(item, RulingEntry)
        else msgspec.structs.replace(
            item, portions=tuple(msgspec.structs.replace(p, ruling=named) for p in item.portions)
        )
        if isinstance(item, Admitted)
        else item
        for item in items_of(lane.messages)
    ]
    shown = nothing()
    shown.take(items, VERSIONS)
    assert (shown.heads, set(shown.news.rulings)) == ({}, {named})


@pytest.mark.parametrize("invented", ["xx-nobody", "", "\x00"])
def test_who_is_no_agency_of_the_version_has_no_chain(invented: str) -> None:
    """Leaf and ruling may say what they like: there are no more chains than agencies, and no name that SQL refuses."""
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR))
    nobody = AgencyId(invented)
    items: list[RulingEntry | Leaf] = []
    names: dict[bytes, Digest] = {}
    for item in items_of(lane.messages):
        if isinstance(item, RulingEntry):
            ruling = parse_ruling(item.ruling)
            more = Verdict(nobody, False, Effect.PERMIT, ruling.verdict(FR).rules)
            data = ruling_bytes(msgspec.structs.replace(ruling, verdicts=(*ruling.verdicts, more)))
            names[ruling_digest(M.domains, item.ruling)] = ruling_digest(M.domains, data)
            items.append(RulingEntry(data))
        elif isinstance(item, Admitted):
            portions = tuple(
                msgspec.structs.replace(p, audience=(*p.audience, nobody), ruling=names[p.ruling])
                for p in item.portions
            )
            items.append(msgspec.structs.replace(item, portions=portions, active=(*item.active, nobody)))
        else:
            items.append(item)
    shown = nothing()
    shown.take(items, VERSIONS)
    assert (shown.heads, shown.news.digests) == (heads(lane), lane.chains)
    assert all(holders.keys() == {FR} for holders in shown.news.holders.values())


def test_a_leaf_after_which_none_could_be_numbered_is_none() -> None:
    """SQL counts to 2**63 - 1, and one more would be kept."""
    lane = GrowingLane(M, GB)
    last = Gap(2**63 - 1, 0, 0, 0, 1, 2)
    shown = nothing()
    shown.take([last, *items_of(lane.messages)], VERSIONS)
    before = shown.leaves
    lane.publish(plain(1, FR))
    shown.take([last, *items_of(lane.messages)], VERSIONS)
    assert (before, shown.leaves, shown.heads) == (1, 2, heads(lane))


def test_a_rule_that_the_version_lacks_has_no_reason() -> None:
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR))
    body = M.arrangement.body.model_copy(update={"policies": {}})
    shown = nothing()
    shown.take(items_of(lane.messages), {M.arrangement.digest: Arrangement(M.arrangement.digest, body)})
    assert shown.heads[FR].number == 1
    assert shown.heads[FR].digest != lane.chains[FR][0]


def test_another_leaf_is_another_certificate() -> None:
    lane = GrowingLane(M, GB)
    lane.publish(plain(1, FR))
    items = [
        msgspec.structs.replace(item, at_ms=item.at_ms + 1) if isinstance(item, Admitted) else item
        for item in items_of(lane.messages)
    ]
    shown = nothing()
    shown.take(items, VERSIONS)
    assert shown.heads[FR].number == 1
    assert shown.heads[FR].digest != lane.chains[FR][0]


def test_rulings_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of one batch are there while it is taken in, however many."""
    monkeypatch.setattr("agencies.shown.MOST_RULINGS", 1)
    lane = GrowingLane(M, GB)
    lane.publish(*federation.drafts(GB, 20))
    shown = nothing()
    shown.take(items_of(lane.messages), VERSIONS)
    assert len(shown.news.rulings) > 1
    assert len(shown._rulings) == 1
    assert shown.heads == heads(lane)
