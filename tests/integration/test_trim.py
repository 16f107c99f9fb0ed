"""Topics trimmed below what was acknowledged: everything goes on, and each lane is decided again from its ledger."""

import sqlite3
from contextlib import closing

from deploy.trimming import plan_trim, trim
from schemas.topics import deliver_topic, submit_topic
from schemas.verdicts import Alarm
from tests.integration.live import NCA, PDS, Live, assert_exact, begun, until

RECORDS = 25
TAIL = 5


async def plan(live: Live) -> dict[str, tuple[int, int]]:
    found = await plan_trim(live.connection(), live.arrangement, live.prefix, TAIL)
    return {t.topic: (t.begins, t.upto) for t in found}


async def test_what_is_acknowledged_is_trimmed_and_nothing_rests_on_it(live: Live) -> None:
    await live.start_broker()
    assert await plan(live) == {}
    host = await live.start_nodes([live.node(a, RECORDS, 40) for a in live.agencies])
    await assert_exact(live, RECORDS * len(live.agencies))
    before = await plan(live)
    assert {submit_topic(NCA, live.prefix), deliver_topic(NCA, live.prefix)} <= before.keys()

    trims = await plan_trim(live.connection(), live.arrangement, live.prefix, TAIL)
    await trim(live.bootstrap, live.admin_tls, trims)
    first = (await live.read(submit_topic(NCA, live.prefix)))[0]
    assert first.offset == before[submit_topic(NCA, live.prefix)][1]
    assert await plan(live) == {}
    audits = await live.audit()
    assert [a.differences for a in audits] == [[] for _ in live.agencies]
    assert {a.lane for a in audits if a.from_ledger} == {
        a for a in live.agencies if submit_topic(a, live.prefix) in before
    }

    host.kill()
    await host.wait()
    nodes = [live.node(a, 2 * RECORDS, 40) for a in live.agencies]
    host = await live.start_nodes(nodes, name="again")
    await begun(live, RECORDS * (len(live.agencies) + 1), "records flow on")
    await live.settled(2 * RECORDS * len(live.agencies))
    assert [a.differences for a in await live.audit()] == [[] for _ in live.agencies]

    host.kill()
    await host.wait()
    with closing(sqlite3.connect(live.store(PDS))) as db, db:
        db.execute("UPDATE positions SET offset = 0")
    await live.start_nodes([live.node(PDS)], name="older")
    await until(lambda: bool(live.rows(PDS, "SELECT alarm FROM alarms")), "the older copy is found")
    assert (Alarm.RESTORED_COPY,) in live.rows(PDS, "SELECT alarm FROM alarms")
