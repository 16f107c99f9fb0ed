"""Two runs that differ by one secret record, or one secret portion: who may not have it cannot tell them apart.

The same records by the same agencies, once with the secret and once without. Compared is everything that an agency's
own store holds, less what is random in every run (record ids, digests, salts, times): the sequence of what it was
given, opened portions with their labels, certificates, what its quarantine and its alarms say, receipts to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agencies.drafting import Draft
from agencies.simulation.plan import planned_draft
from deploy.kafka.cluster import Cluster
from deploy.pki import Authority
from schemas.certificate import parse_certificate
from schemas.clock import ManualClock, SystemClock
from schemas.codes import Kind, PortionName, Tlp
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId, new_record_id
from schemas.labels import Label, Routing
from tests.integration.live import NCA, OLTIM, PDS, SOCIAL, XA, Live, until
from tests.support.drafts import base, draft, handling, sources

ORIGINATORS = (NCA, PDS, XA)
EACH = 8


@dataclass(frozen=True)
class View:
    """What an agency has, in order."""

    received: Sequence[tuple[object, ...]]
    quarantined: list[tuple[object, ...]]
    alarms: list[tuple[object, ...]]
    receipts: list[tuple[object, ...]]


def drafts(live: Live, agency: AgencyId, seed: int, clock: ManualClock) -> list[Draft]:
    entropy = SystemEntropy()
    return [planned_draft(agency, live.source.directory, seed, i, clock, entropy) for i in range(EACH)]


def secret(clock: ManualClock) -> Draft:
    """A record for OLTIM's eyes only."""
    label = Label(handling(tlp=Tlp.RED), Routing((OLTIM,), (), ()))
    made = draft("secret", (PortionName.BASE, base("the secret"), label), created_s=clock.now_ms() // 1000)
    return replace(made, record_id=new_record_id(clock, SystemEntropy()), kind=Kind.BOAT_SUPPLY)


def two_portions(clock: ManualClock, with_sources: bool) -> Draft:
    """A record whose base goes to three agencies; its sources, if there are any, to OLTIM alone."""
    wide = Label(handling(), Routing((OLTIM, PDS, XA), (), ()))
    narrow = Label(handling(tlp=Tlp.RED), Routing((OLTIM,), (), ()))
    first = (PortionName.BASE, base("for all three"), wide)
    more = [(PortionName.SOURCES, sources(), narrow)] if with_sources else []
    made = draft("both", first, *more, created_s=clock.now_ms() // 1000)
    return replace(made, record_id=new_record_id(clock, SystemEntropy()))


def view(live: Live, agency: AgencyId) -> View:
    kinds = {row[0]: row[1:] for row in live.rows(agency, "SELECT manifest, kind, created_s FROM records")}
    portions: dict[object, list[tuple[object, ...]]] = {}
    for row in live.rows(
        agency,
        "SELECT manifest, portion, tlp, retain_until, handling, officers, content FROM portions ORDER BY portion",
    ):
        portions.setdefault(row[0], []).append(row[1:])
    received = []
    for lane, number, manifest, stored, data in live.rows(
        agency, "SELECT lane, number, manifest, stored, certificate FROM reception_log ORDER BY lane, number"
    ):
        assert isinstance(data, bytes)
        c = parse_certificate(data)
        said = (c.act, c.recipient, c.originator, c.number, len(c.released), c.rules, bool(c.replaces))
        received.append((lane, number, stored, kinds[manifest], portions[manifest], said))
    return View(
        received,
        live.rows(agency, "SELECT reason, lane, number, portion FROM quarantine"),
        live.rows(agency, "SELECT alarm, detail FROM alarms"),
        live.rows(agency, "SELECT recipient, max(upto) FROM receipts GROUP BY recipient ORDER BY recipient"),
    )


async def play(live: Live, seed: int, clock: ManualClock, hidden: str | None) -> dict[AgencyId, View]:
    """One run; every store when all is settled."""
    await live.start_broker()
    await live.start_nodes([live.node(a) for a in live.agencies])
    count = 0
    for agency in ORIGINATORS:
        made = drafts(live, agency, seed, clock)
        if agency == NCA:
            made.insert(EACH // 2, two_portions(clock, hidden == "portion"))
            if hidden == "record":
                made.insert(EACH // 3, secret(clock))
        half = len(made) // 2
        await live.submit(agency, live.parcel(agency, made[:half], 1))
        await live.submit(agency, live.parcel(agency, made[half:], half + 1))
        count += len(made)

    async def settled() -> bool:
        if any(not live.store(a).exists() for a in live.agencies):
            return False
        _, known = await live.counts()
        return known.pairs == count * (len(live.agencies) - 1) and not known.in_flight

    await until(settled, "all that was published has its fate, by ledgers and receipts")
    return {a: view(live, a) for a in live.agencies}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("hidden", ["record", "portion"])
async def test_who_may_not_have_it_cannot_tell(
    cluster: Cluster, authority: Authority, fresh_prefix: str, tmp_path: Path, seed: int, hidden: str
) -> None:
    clock = ManualClock(SystemClock().now_ms() - 60_000)
    views = {}
    for name, what in (("without", None), ("with", hidden)):
        async with Live(
            cluster.bootstrap, cluster.admin_tls, authority, f"{fresh_prefix}{name}.", tmp_path / name
        ) as live:
            views[name] = await play(live, seed, clock, what)
    unentitled = (PDS, XA, SOCIAL)
    for agency in unentitled:
        assert views["with"][agency] == views["without"][agency]
    assert sum(len(views["with"][a].received) for a in unentitled) > 10
    assert views["with"][OLTIM] != views["without"][OLTIM], "the entitled one has it"
