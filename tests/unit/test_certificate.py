"""Chains of certificates: each names the one before it, and they count what this recipient got and nothing else."""

from itertools import pairwise

import pytest

from schemas.certificate import Act, certificate_digest, chain_start, parse_certificate
from schemas.envelope import DeliveryEntry, HeadEntry, manifest_digest, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from tests.support.drafts import plain
from tests.support.federation import NOW_MS
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT


@pytest.fixture(scope="module")
def m() -> Members:
    return members()


def window(m: Members, first: int, *to: tuple[AgencyId, ...]) -> bytes:
    sealer = m.sealer(GB)
    closed = [sealer.close_record(plain(first + i, *a), first + i) for i, a in enumerate(to)]
    return sealer.seal_window(closed, (), first)


def entries(m: Members, parcels: list[bytes]) -> list[DeliveryEntry | HeadEntry]:
    found = [parse_deliver_entry(data) for p in parcels for data in parse_parcel(p).entries]
    return [e for e in found if isinstance(e, DeliveryEntry | HeadEntry)]


def test_each_names_its_predecessor_and_the_head_is_the_last(m: Members) -> None:
    parcels = m.delivered(GB, window(m, 1, (FR,), (FR, IT), (IT,)), window(m, 4, (FR,)))
    for recipient, count in ((FR, 3), (IT, 2)):
        *deliveries, head = entries(m, parcels[recipient])
        assert isinstance(head, HeadEntry)
        data = [d.certificate for d in deliveries if isinstance(d, DeliveryEntry)]
        certificates = [parse_certificate(c) for c in data]
        digests = [certificate_digest(m.domains, c) for c in data]
        assert [c.number for c in certificates] == list(range(1, count + 1))
        start = chain_start(m.domains, GB, recipient)
        assert start.number == 0
        assert certificates[0].predecessor == start.digest
        for digest, after in zip(digests, certificates[1:], strict=False):
            assert after.predecessor == digest
        assert (head.lane, head.number, head.digest) == (GB, count, digests[-1])


def test_every_chain_starts_elsewhere(m: Members) -> None:
    pairs = [(a, b) for a in (GB, FR, IT) for b in (GB, FR, IT)]
    assert len({chain_start(m.domains, *pair).digest for pair in pairs}) == len(pairs)


def test_a_certificate_says_what_was_released_and_why(m: Members) -> None:
    first, *_ = entries(m, m.delivered(GB, window(m, 1, (FR,)))[FR])
    assert isinstance(first, DeliveryEntry)
    c = parse_certificate(first.certificate)
    assert (c.act, c.recipient, c.originator) == (Act.DELIVERY, FR, GB)
    assert c.manifest == manifest_digest(m.domains, first.manifest)
    assert c.arrangement == m.arrangement.digest
    assert c.admitted_ms == NOW_MS + 1000
    assert c.replaces == b""
    assert len(c.released) == len(first.portions) == 1
    assert c.rules
    assert all(rule.reason for rule in c.rules)
    assert all(a.rule < b.rule for a, b in pairwise(c.rules))


def test_a_correction_says_what_it_replaces(m: Members) -> None:
    sealer = m.sealer(GB)
    one = sealer.seal_window([sealer.close_record(plain(1, FR), 1)], (), 1)
    two = sealer.seal_window([sealer.close_record(plain(1, FR, IT, revision=2), 2)], (), 2)
    parcels = m.delivered(GB, one, two)
    before, after, _ = entries(m, parcels[FR])
    assert isinstance(before, DeliveryEntry)
    assert isinstance(after, DeliveryEntry)
    replaced = parse_certificate(after.certificate).replaces
    assert replaced == manifest_digest(m.domains, before.manifest)
    new, _ = entries(m, parcels[IT])
    assert isinstance(new, DeliveryEntry)
    assert parse_certificate(new.certificate).replaces == b""
