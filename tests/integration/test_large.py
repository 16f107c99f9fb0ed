"""Records of 4 MiB between small ones: each is stored once by whom it is for, in order, and stops no lane."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from agencies.drafting import Draft, DraftPortion
from deploy.stage.count import operational
from schemas.codes import Kind, PortionName
from schemas.frames import MAX_RECORD
from schemas.ids import AgencyId
from schemas.ledger import Admitted
from schemas.records.particulars import Exhibit
from schemas.records.technical_information import TechnicalInformationBase
from tests.integration.live import NCA, OLTIM, PDS, Live, until
from tests.support.drafts import label

TO = ("fr-oltim", "gb-nca", "it-pds")
COUNT = 4


def large(draft: Draft, seed: int, own: AgencyId) -> Draft:
    """The draft's place and time with one exhibit of 3 MB, which is 4 MB in base64."""
    data = b"\x89PNG\r\n\x1a\n" + Random(seed).randbytes(3_000_000)
    content = TechnicalInformationBase(
        summary="A plot.",
        field="detection",
        tested_at=datetime(2026, 1, 1, tzinfo=UTC),
        exhibits=(Exhibit(title="Plot", media_type="image/png", data=b64encode(data)),),
    )
    to = label(*(a for a in TO if a != own))
    return replace(
        draft, kind=Kind.TECHNICAL_INFORMATION, portions=(DraftPortion(PortionName.BASE, content, to),)
    )


def parcels(live: Live, agency: AgencyId) -> Sequence[bytes]:
    """Windows of one large record each, and between them small ones."""
    drafts = live.drafts(agency, 2 * COUNT)
    made = [large(d, at, agency) if at % 2 else d for at, d in enumerate(drafts)]
    return [live.parcel(agency, [d], at) for at, d in enumerate(made, 1)]


async def test_large_records(live: Live) -> None:
    await live.start_broker()
    await live.start_nodes([live.node(a) for a in live.agencies])
    for agency in (NCA, OLTIM, PDS):
        values = parcels(live, agency)
        assert max(len(v) for v in values) > 4 * 1024 * 1024
        assert max(len(v) for v in values) < MAX_RECORD + 100_000
        await live.submit(agency, *values)

    async def told() -> bool:
        ledgers = await live.ledgers()
        admitted = sum(isinstance(leaf, Admitted) for ledger in ledgers.values() for leaf in ledger.leaves)
        return admitted == 3 * 2 * COUNT and not operational(ledgers).in_flight

    await until(told, "all are admitted and receipted")
    assert [a.differences for a in await live.audit()] == [[] for _ in live.agencies]
    for agency in (NCA, OLTIM, PDS):
        query = "SELECT originator, length(content) FROM portions WHERE length(content) > 4000000"
        found = live.rows(agency, query)
        assert len(found) == 2 * COUNT, found
        assert {row[0] for row in found} == {NCA, OLTIM, PDS} - {agency}
