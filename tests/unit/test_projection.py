"""The projection: the same rows whatever the cuts, the same answers as the ledgers themselves, on both databases."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from agencies.sealing import Control
from broker.errors import BrokerError
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.projection import Database, Projection
from broker.projection.tables import metadata
from broker.projection.writing import write_message
from broker.rounds import Rounds
from broker.step import ledger_parcels
from schemas.clock import IDENTITY_CLOCK
from schemas.controls import ControlCode, Receipt, receipt_bytes
from schemas.entropy import SeededEntropy
from schemas.frames import Parcel, pack_parcel, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import ledger_leaf_hash
from schemas.proofs import consistency_proof, inclusion_proof, root_at, verify_inclusion
from schemas.topics import ledger_topic
from tests.support import federation
from tests.support.drafts import record_id
from tests.support.ledgers import Ledgers
from tests.support.members import members
from tests.support.postgres import Postgres

M = members()
GB, FR, IT = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("it-pds")
LANES = (GB, IT)
Message = tuple[str, int, bytes]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'projection.db'}"
    server = request.getfixturevalue("postgres")
    assert isinstance(server, Postgres)
    return server.database()


def rules_of(version: Digest) -> dict[str, tuple[str, str]]:
    known = M.versions[version]
    return {rule: (reason, known.legal_bases[rule]) for rule, reason in known.reasons.items()}


@cache
def ledgers() -> tuple[Message, ...]:
    """What two lanes' ledgers hold: records, a resend, garbage, a gap, receipts, in small parcels."""
    found: list[Message] = []
    for lane_id in LANES:
        lane = Lane(lane_id, EMPTY_LANE, {}, {}, MemoryIndex())
        sealer = M.sealer(lane_id)
        windows = [federation.parcel(sealer, [d], n) for n, d in enumerate(federation.drafts(lane_id, 12), 1)]
        other = IT if lane_id == GB else GB
        receipt = Control(
            ControlCode.RECEIPT, record_id(lane_id), receipt_bytes(Receipt(other, 0, 2, bytes(32), ()))
        )
        values = [*windows[:6], windows[2], b"garbage", *windows[8:], sealer.seal_window([], [receipt], 1)]
        steps: list[Folded] = [activate(lane, M.arrangement.digest, 0, IDENTITY_CLOCK, M.domains)]
        federation.commit(lane, steps[0])
        for offset, value in enumerate(values):
            steps.append(fold(lane, [federation.message(value, offset)], M.versions))
            federation.commit(lane, steps[-1])
        topic = ledger_topic(lane_id)
        parcels = [data for step in steps for data in ledger_parcels(step)]
        rounds = Rounds(M.arrangement, M.broker, SeededEntropy(b"rounds"))
        parcels += (value for _, value in rounds.make({lane_id: lane}, federation.NOW_MS).ledger)
        found += ((topic, offset, data) for offset, data in enumerate(parcels))
    return tuple(found)


@asynccontextmanager
async def projected(url: str) -> AsyncIterator[tuple[Database, Projection]]:
    async with Database(url) as database:
        yield database, Projection(database, M.domains, LANES, "", rules_of)


async def dump(database: Database) -> dict[str, list[tuple[object, ...]]]:
    return {
        table.name: sorted(
            (tuple(row) for row in await database.read(lambda c, t=table: c.execute(select(t)).all())),  # type: ignore[misc]
            key=repr,
        )
        for table in metadata.sorted_tables
    }


@cache
def _whole() -> list[dict[str, list[tuple[object, ...]]]]:
    return []


async def whole(tmp: Path) -> dict[str, list[tuple[object, ...]]]:
    """All messages in one transaction."""
    if not _whole():
        async with projected(f"sqlite:///{tmp / 'whole.db'}") as (database, projection):
            await projection.take(ledgers())
            _whole().append(await dump(database))
    return _whole()[0]


def test_the_newest_migration_and_the_tables_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'p.db'}"
    Database(url).migrate()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_all_that_happens_is_in_the_ledgers_here(tmp_path: Path) -> None:
    rows = await whole(tmp_path)
    assert all(rows.values()), {name: len(found) for name, found in rows.items()}
    kinds = {row[2] for row in rows["entries"]}
    assert kinds == {"activation", "admitted", "duplicate", "quarantined", "gap", "control"}


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 9), min_size=60, max_size=60), again=st.integers(0, 20))
async def test_any_cuts_and_repeats_give_the_same_rows(
    database_url: str, tmp_path: Path, cuts: list[int], again: int
) -> None:
    async with projected(database_url) as (database, projection):
        await projection.clear()
        rest: Sequence[Message] = ledgers()
        for size in cuts:
            await projection.take(rest[:size])
            rest = rest[size:]
        await projection.take(ledgers()[:again])
        assert not rest
        assert await dump(database) == await whole(tmp_path)


async def test_the_answers_are_those_of_the_ledgers(database_url: str) -> None:
    plain = Ledgers(M.domains, LANES)
    lanes = {ledger_topic(lane): lane for lane in LANES}
    for topic, _, value in ledgers():
        await plain.take(lanes[topic], value)
    async with projected(database_url) as (_, projection):
        await projection.take(ledgers())
        for start in ({GB: 0}, {GB: 3, IT: 5}, {IT: 0}, {}):
            for most in (1, 7, 100):
                assert list(await projection.events(start, most)) == list(await plain.events(start, most))
        for lane in LANES:
            frontier = await plain.frontier(lane)
            assert await projection.frontier(lane) == frontier
            assert await projection.counts(lane) == await plain.counts(lane)
            assert list(await projection.checkpoints(lane, 0, 10)) == list(
                await plain.checkpoints(lane, 0, 10)
            )
            assert await projection.signed(lane) == 1
            entries = await plain.entries(lane, 0, 1000)
            assert list(await projection.entries(lane, 0, 1000)) == list(entries)
            assert list(await projection.entries(lane, 4, 2)) == list(entries[4:6])
            theirs, ours = await plain.up_to(lane, 9), await projection.up_to(lane, 9)
            assert len(theirs) == len(ours)
            assert set(theirs) == set(ours)
            for event in (e for e in await plain.events({lane: 0}, 100) if e.leaf.record_id):
                found = await projection.of_record(LANES, event.leaf.record_id)
                assert list(found) == list(await plain.of_record(LANES, event.leaf.record_id))
            for size in range(1, frontier.size + 1):
                root = await plain.prove(lane, partial(root_at, size))
                for index in range(size):
                    path = await projection.prove(lane, partial(inclusion_proof, index, size))
                    leaf = ledger_leaf_hash(M.domains, entries[index].data)
                    assert verify_inclusion(leaf, index, size, path, root)
                proof = await projection.prove(lane, partial(consistency_proof, size, frontier.size))
                assert proof == await plain.prove(lane, partial(consistency_proof, size, frontier.size))
        assert await projection.rulings(GB, []) == {}
        assert await projection.ruling_bytes(GB, Digest(bytes(32))) is None
        assert await projection.of_record([], bytes(16)) == []
        assert await projection.news(0) == len(ledgers())


async def test_a_hole_or_a_missing_ruling_ends_it_and_nothing_is_written(database_url: str) -> None:
    topic, _, first = ledgers()[0]
    parcel = parse_parcel(ledgers()[3][2])
    hole = pack_parcel(Parcel(parcel.first + 40, (), (), parcel.entries))
    async with projected(database_url) as (database, projection):
        await projection.take([(topic, 0, first)])
        before = await dump(database)
        with pytest.raises(BrokerError, match=r"has leaf \d+ after 1 leaves"):
            await projection.take([(topic, 1, hole)])
        bare = pack_parcel(Parcel(1, (), (), parse_parcel(ledgers()[1][2]).entries[-1:]))
        with pytest.raises(BrokerError, match="which was never written"):
            await projection.take([(topic, 1, bare)])
        assert await dump(database) == before


async def test_two_that_write_one_projection_do_not_double_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'p.db'}"
    topic, _, value = ledgers()[0]
    async with projected(url) as (database, projection):

        def twice(connection) -> None:  # type: ignore[no-untyped-def]
            write_message(connection, M.domains, GB, topic, 0, value, rules_of)
            write_message(connection, M.domains, GB, topic, 0, value, rules_of)

        await database.write(twice)
        await projection.take([(topic, 0, value)])
        assert await projection.positions() == {topic: 1, ledger_topic(IT): 0}
        assert len((await dump(database))["entries"]) == 1


async def test_rules_that_are_not_read_yet_are_waited_for(tmp_path: Path) -> None:
    def unread(version: Digest) -> dict[str, tuple[str, str]]:
        raise LookupError(version.hex())

    async with Database(f"sqlite:///{tmp_path / 'p.db'}") as database:
        projection = Projection(database, M.domains, LANES, "", unread)
        with pytest.raises(LookupError):
            await projection.take(ledgers()[:1])
        assert (await projection.positions())[ledger_topic(GB)] == 0
