"""Receipts on a real cluster, held against ledgers: honest ones say nothing, what a liar signs is an alarm, once."""

from agencies.kafka import Connection, Reader, written
from agencies.sealing import Control
from schemas.certificate import Head
from schemas.certifying import released_of
from schemas.clock import SystemClock
from schemas.controls import ControlCode, Receipt, receipt_bytes
from schemas.entropy import SystemEntropy
from schemas.ids import new_record_id
from schemas.ledger import Admitted
from schemas.topics import ledger_topic, transactional_id
from schemas.transport import client_context
from tests.integration.live import NCA, OLTIM, PDS, Live, until, writing

RECORDS = 12
QUERY = "SELECT alarm, detail FROM alarms ORDER BY id"
ALL = "SELECT recipient, upto, compared FROM receipts"


async def test_who_receipts_what_its_originators_ledger_does_not_show_is_told_once(live: Live) -> None:
    await live.start_broker()
    nodes = await live.start_nodes([live.node(NCA, RECORDS), live.node(PDS)])

    async def delivered(to: str) -> int:
        ledger = await live.ledger(NCA)
        admitted = [leaf for leaf in ledger.leaves if isinstance(leaf, Admitted)]
        if len(admitted) < RECORDS:
            return 0
        return sum(to in released_of(leaf, ledger.rulings) for leaf in admitted)

    async def admitted() -> bool:
        return await delivered(OLTIM) > 1

    await until(admitted, "all is decided")
    count, honest = await delivered(OLTIM), await delivered(PDS)
    head = (await live.lanes())[NCA].heads[OLTIM]
    assert head == Head(count, head.digest)
    lies = [
        Receipt(NCA, 0, count - 1, head.digest, ()),
        Receipt(NCA, count - 1, count + 2, head.digest, ()),
    ]
    right = Receipt(NCA, count - 1, count, head.digest, ())
    controls = [
        Control(ControlCode.RECEIPT, new_record_id(SystemClock(), SystemEntropy()), receipt_bytes(receipt))
        for receipt in (*lies, right)
    ]
    await live.submit(OLTIM, live.sealer(OLTIM).seal_window([], controls, 1))

    def compared() -> bool:
        rows = live.rows(NCA, ALL)
        stored = [upto for recipient, upto, _ in rows if recipient == PDS]
        return honest in stored and len(of_liar(live)) == 3 and all(done for _, _, done in rows)

    await until(compared, "all receipts are held against the ledger")
    found = sorted(str(detail) for alarm, detail in live.rows(NCA, QUERY) if alarm == "receipt_differs")
    assert len(found) == 2
    assert (
        f"numbers 1 to {count - 1} of our lane, the last of them certificate {head.digest.hex()[:16]}"
        in found[0]
    )
    assert found[1] == (
        f"'{OLTIM}' says that it stored numbers {count} to {count + 2} of our lane: "
        f"by our ledger {count} were delivered to it"
    )
    nodes.kill()
    await nodes.wait()
    await live.submit(OLTIM, live.sealer(OLTIM).seal_window([], [again(controls[0])], 1))
    await live.start_nodes([live.node(NCA, RECORDS), live.node(PDS)], "again")
    await until(lambda: of_liar(live) == [1] * 4, "one more is compared after a restart")
    assert sorted(str(d) for a, d in live.rows(NCA, QUERY) if a == "receipt_differs") == found


async def test_what_no_transaction_has_committed_is_written_all_the_same(live: Live) -> None:
    """How far a ledger must be read before a receipt contradicts it."""
    topic = ledger_topic(NCA, live.prefix)
    connection = Connection(live.bootstrap, client_context(live.tls(NCA)))
    reader = Reader(connection)
    await reader.start()
    async with writing(live.bootstrap, live.broker_tls, transactional_id(0, live.prefix)) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"not committed", partition=0)
        assert (await reader.span(topic), await written(connection, topic)) == ((0, 0), 1)
        await producer.abort_transaction()
        reader.assign(topic, {0: 0})

        async def passed() -> bool:
            assert await reader.poll() == []
            return await reader.position(topic) >= 1

        await until(passed, "a reader passes what was aborted")
    await reader.stop()


def of_liar(live: Live) -> list[object]:
    """Whether each of its receipts was compared."""
    return [done for recipient, _, done in live.rows(NCA, ALL) if recipient == OLTIM]


def again(said: Control) -> Control:
    """The same words under another id."""
    return Control(said.code, new_record_id(SystemClock(), SystemEntropy()), said.body)
