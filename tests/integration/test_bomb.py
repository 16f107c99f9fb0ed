"""Batches made by hand: what expands a thousandfold, or what the cluster stores and a reader cannot take.

Each costs its sender one refusal, nobody's memory, and holds up nothing that is behind it.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from struct import pack

import pytest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c

from deploy.kafka.cluster import Cluster
from deploy.processes import Child
from schemas.ledger import Admitted, Leaf, Quarantined
from schemas.topics import MAX_MESSAGE_BYTES, deliver_topic, submit_topic
from schemas.verdicts import Refused, Unopened
from tests.integration.live import NCA, Live, until
from tests.integration.raw import ALLOWED, RawClient
from tests.integration.test_bad_input import assert_undisturbed, stored_by_all_entitled, wait_for_leaves

MB = 1_000_000
EXPANDED = 300  # MB
GROWTH = 100  # MB that a process may grow by; a bomb that went off would take at least `EXPANDED`
INVALID_RECORD = 87
GZIP, ZSTD = 1, 4


def varint(value: int) -> bytes:
    """A signed number as records have it."""
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def record(
    value: bytes, offset: int = 0, *, headers: bytes = b"\0", attributes: int = 0, size: int | None = None
) -> bytes:
    """One record of a batch; what it says of itself need not be true."""
    body = bytes([attributes, 0]) + varint(offset) + varint(-1) + varint(len(value)) + value + headers
    return varint(len(body) if size is None else size) + body


def batch(records: bytes, count: int = 1, codec: int = 0) -> bytes:
    """A record batch, version 2, around what a codec made of its records."""
    signed = pack(">hiqqqhii", codec, count - 1, 0, 0, -1, -1, -1, count) + records
    rest = pack(">ibI", -1, 2, calc_crc32c(signed)) + signed
    return pack(">qi", 0, len(rest)) + rest


def gzip(pieces: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(piece) for piece in pieces]) + packer.flush()


def one_record() -> Iterator[bytes]:
    """A record of `EXPANDED` MB of zeros."""
    size = EXPANDED * MB
    head = bytes(2) + varint(0) + varint(-1) + varint(size)
    yield varint(len(head) + size + 1) + head
    for _ in range(EXPANDED):
        yield bytes(MB)
    yield b"\0"


def many_records() -> Iterator[bytes]:
    """As much in records of 1 MB."""
    for i in range(EXPANDED):
        yield record(bytes(MB), i)


def zstd_of_zeros() -> bytes:
    """RFC 8878: a frame of one raw block, blocks of one byte repeated 128 KiB times, and one last raw block."""
    blocks, size = 10_000, 128 * 1024
    head = bytes(2) + varint(0) + varint(-1) + varint(blocks * size)
    head = varint(len(head) + blocks * size + 1) + head
    frame = bytes.fromhex("28b52ffd") + bytes([0, 0x38])  # neither size nor checksum, a window of 128 KiB
    frame += (len(head) << 3).to_bytes(3, "little") + head
    frame += ((size << 3 | 2).to_bytes(3, "little") + b"\0") * blocks
    return frame + (1 << 3 | 1).to_bytes(3, "little") + b"\0"


HEADER_OF_NO_TEXT = varint(1) + varint(1) + b"\xff" + varint(1) + b"v"
#: What the cluster stores; the number is how many offsets it takes.
STORED: dict[str, tuple[Callable[[], bytes], int]] = {
    "one large record in gzip": (lambda: batch(gzip(one_record()), codec=GZIP), 1),
    "many records in gzip": (lambda: batch(gzip(many_records()), EXPANDED, GZIP), EXPANDED),
    "1.3 GB in 40 KB of zstd": (lambda: batch(zstd_of_zeros(), codec=ZSTD), 1),
    "a small record in gzip": (lambda: batch(gzip([record(b"small")]), codec=GZIP), 1),
    "a length that lies, in gzip": (lambda: batch(gzip([record(b"x" * 99, size=50)]), codec=GZIP), 1),
    "a header key that is no text": (lambda: batch(record(b"x", headers=HEADER_OF_NO_TEXT)), 1),
    "attributes that are no number": (lambda: batch(record(b"x", attributes=0xFF)), 1),
    "an offset far ahead": (lambda: batch(record(b"x", 1000)), 1),
    "an offset behind": (lambda: batch(record(b"x", -1)), 1),
    "one offset twice": (lambda: batch(record(b"x") + record(b"y"), 2), 2),
}


class Hostile(RawClient):
    """Writes batches as they are."""

    async def append(self, topic: str, *batches: bytes) -> tuple[int, int]:
        """Error code and first offset of batches in one request."""
        data = b"".join(batches)
        answer = await self._connection.send(ProduceRequest(None, -1, 30_000, [(topic, [(0, data)])]))
        _, code, offset, *_ = answer.topics[0][1][0]
        return int(code), int(offset)


def peak(child: Child) -> int:
    """The most memory that a process has ever had, in MB."""
    status = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    [line] = [text for text in status if text.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


@pytest.fixture(scope="module")
def stored() -> dict[str, tuple[bytes, int]]:
    made = {what: (make(), offsets) for what, (make, offsets) in STORED.items()}
    assert all(len(data) < MAX_MESSAGE_BYTES for data, _ in made.values())
    return made


async def test_submissions(live: Live, cluster: Cluster, stored: dict[str, tuple[bytes, int]]) -> None:
    worker = await live.start_broker()
    await live.start_nodes([live.node(a) for a in live.others(NCA)])
    server, generation = cluster.child(), await live.generation()
    before, topic = len(await live.leaves(NCA)), submit_topic(NCA, live.prefix)
    memory = [peak(worker), peak(server)]
    ends = []
    async with Hostile(live.bootstrap, live.tls(NCA)) as hostile:
        for what, (data, offsets) in stored.items():
            code, first = await hostile.append(topic, data)
            assert code == ALLOWED, what
            ends.append(first + offsets - 1)
        bomb, _ = stored["one large record in gzip"]
        code, _ = await hostile.append(topic, bomb, bomb)
        assert code == INVALID_RECORD  # a request holds one batch a partition
    drafts = live.drafts(NCA, 1)
    await live.submit(NCA, live.parcel(NCA, drafts, 1))
    leaves = await wait_for_leaves(live, before + len(stored) + 1)
    assert refusals(leaves[before:-1]) == [(end, Refused.MALFORMED) for end in ends]
    assert isinstance(leaves[-1], Admitted)
    await stored_by_all_entitled(live, drafts[0].record_id)
    await until(partial(replays, live), "every lane replays equal")
    assert [peak(worker) - memory[0] < GROWTH, peak(server) - memory[1] < GROWTH] == [True, True]
    assert cluster.child() is server
    assert server.alive
    assert await live.generation() == generation
    assert_undisturbed(worker)


async def test_deliveries(live: Live, stored: dict[str, tuple[bytes, int]]) -> None:
    """A recipient does not rely on its broker to be spared."""
    await live.start_broker()
    nodes = await live.start_nodes([live.node(a) for a in live.others(NCA)])
    first, second = live.drafts(NCA, 1), live.drafts(NCA, 1)  # two records for the same agencies
    await live.submit(NCA, live.parcel(NCA, first, 1))
    victim = (await stored_by_all_entitled(live, first[0].record_id))[0]
    memory = peak(nodes)
    async with Hostile(live.bootstrap, live.broker_tls) as hostile:
        for what, (data, _) in stored.items():
            assert (await hostile.append(deliver_topic(victim, live.prefix), data))[0] == ALLOWED, what
    await live.submit(NCA, live.parcel(NCA, second, 2))
    assert victim in await stored_by_all_entitled(live, second[0].record_id)
    found = [reason for _, reason in live.rows(victim, "SELECT id, reason FROM quarantine ORDER BY id")]
    assert found == [Unopened.MALFORMED] * len(stored)
    assert peak(nodes) - memory < GROWTH
    assert nodes.alive


async def replays(live: Live) -> bool:
    """Receipts are still on their way, so an audit may find a lane between its log and its ledger."""
    return not any(lane.differences for lane in await live.audit())


def refusals(leaves: Iterable[Leaf]) -> list[tuple[int, Refused]]:
    return [(leaf.offset, leaf.reason) for leaf in leaves if isinstance(leaf, Quarantined)]
