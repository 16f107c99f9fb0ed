"""Five agencies on PostgreSQL: connections cut, the server restarted, a host killed; nothing is lost or doubled."""

import asyncio

from agencies.store import Store
from agencies.store.search import count, find
from schemas.ids import AgencyId
from tests.integration.live import LIMIT, Live, assert_exact, more, until
from tests.support.postgres import running

RECORDS = 60
PACE = 6.0


async def test_stores_on_postgresql(live: Live) -> None:
    with running() as server:
        live.database = server.database()
        await live.start_broker()
        nodes = [live.node(a, RECORDS, PACE) for a in live.agencies]
        host = await live.start_nodes(nodes)
        await more(live, 20, "records flow")
        assert await asyncio.to_thread(server.disconnect_all) >= len(live.agencies)
        await more(live, 20, "records flow after connections were cut")
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await more(live, 20, "records flow after the server's restart")
        host.kill()
        await host.wait()
        await live.start_nodes(nodes, name="again")
        await assert_exact(live, RECORDS * len(live.agencies))
        assert host.log.read_text().count("Traceback") == 0

        agency = AgencyId("it-pds")
        [(held,)] = live.rows(agency, "SELECT count(*) FROM portions")
        async with Store(live.store_url(agency)) as store:
            [(own,)] = live.rows(agency, "SELECT count(*) FROM texts WHERE originator = 'it-pds'")
            assert isinstance(held, int)
            assert isinstance(own, int)
            assert await store.run(count) == held + own > held > 0
            assert await store.run(lambda c: find(c, "boat* engine*", limit=5))


async def test_a_node_waits_for_a_server_that_is_not_there_yet(live: Live) -> None:
    with running() as server:
        live.database = server.database()
        await asyncio.to_thread(server.stop)
        await live.start_broker()
        host = live.start(
            "nodes", "agencies", live.settings("nodes", {"nodes": [live.node(a, 2) for a in live.agencies]})
        )
        await asyncio.sleep(0)
        assert host.alive
        await asyncio.to_thread(server.start)
        await until(lambda: host.said().count("node runs") == len(live.agencies), "nodes run", LIMIT)
        await assert_exact(live, 2 * len(live.agencies))
