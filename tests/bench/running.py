"""A federation that runs: what it takes at most, how long deliveries are on their way at half of that, and memory.

- A real cluster, broker and node host as processes of their own (`g7-small`, the simulation's plan), one after the
  other under a prefix of its own: first as fast as it goes, then at half the pace that was just seen.
- *Taken*: records a second, from the first sealed to the last delivery stored. *Latency*: from sealed, as the outbox
  notes it, to stored, as the reception log notes it, in whole milliseconds. What was sealed in the first seconds,
  while processes still settle, does not count.
- Nothing counts unless the audit finds every delivery, once and in order.
- *Memory*: the most that a process ever had resident (`VmHWM`), at the end of the full load.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.kafka.cluster import Cluster
from deploy.pki import Authority
from deploy.processes import Child
from deploy.stage.evidence import StoreEvidence, count_published, count_received, read_store
from deploy.stage.work import shares
from schemas.ids import AgencyId
from tests.integration.live import Live

_SETTLE_MS = 2000
_STILL_S = 1.0
QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(slots=True)
class Running:
    """What two runs came to."""

    records: int = 0
    deliveries: int = 0
    seconds: float = 0.0
    half_per_s: float = 0.0
    half_seconds: float = 0.0
    latencies_ms: list[int] = field(default_factory=list)
    full_latencies_ms: list[int] = field(default_factory=list)
    memory_mb: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Records a second that the machine took."""
        return self.records / self.seconds

    def as_json(self) -> dict[str, Any]:
        return {
            "agencies": 5,
            "full": {
                "records": self.records,
                "deliveries": self.deliveries,
                "seconds": round(self.seconds, 2),
                "records_per_s": round(self.per_second, 1),
                "deliveries_per_s": round(self.deliveries / self.seconds, 1),
                "latency_ms": quantiles(self.full_latencies_ms),
            },
            "half": {
                "records_per_s_wanted": round(self.half_per_s, 1),
                "seconds": round(self.half_seconds, 1),
                "deliveries": len(self.latencies_ms),
                "latency_ms": quantiles(self.latencies_ms),
                "latency_max_ms": max(self.latencies_ms),
            },
            "memory_mb": {name: round(mb, 1) for name, mb in self.memory_mb.items()},
        }


def quantiles(values: Sequence[int]) -> dict[str, int]:
    """`p50` and so on: the smallest value that so many are not above; without those that too few values tell."""
    ordered = sorted(values)
    return {
        f"p{q * 100:g}": ordered[math.ceil(q * len(ordered)) - 1]
        for q in QUANTILES
        if len(ordered) * (1 - q) >= 1
    }


async def run_running(authority: Authority, folder: Path, records: int, half_s: float) -> Running:
    """`records` at full speed; then half the pace for so many seconds."""
    out = Running()
    async with Cluster(folder / "running", authority) as cluster:

        def live(name: str) -> Live:
            return Live(cluster.bootstrap, cluster.admin_tls, authority, f"{name}.", folder / name)

        async with live("full") as full:
            processes = await _start(full, records, None)
            stores = await _settled(full, records)
            first, last = _span(stores)
            out.records, out.seconds = records, (last - first) / 1000
            out.deliveries = sum(len(s.received) for s in stores.values())
            out.full_latencies_ms = _latencies(stores, first)
            out.memory_mb = {"Kafka": resident_mb(cluster.child().pid)}
            out.memory_mb |= {name: resident_mb(child.pid) for name, child in processes.items()}
        async with live("half") as half:
            out.half_per_s = out.per_second / 2
            count = round(out.half_per_s * half_s)
            await _start(half, count, out.half_per_s)
            stores = await _settled(half, count)
            first, last = _span(stores)
            out.half_seconds = (last - first) / 1000
            out.latencies_ms = _latencies(stores, first + _SETTLE_MS)
    return out


async def _start(live: Live, records: int, per_second: float | None) -> dict[str, Child]:
    """The broker, and all nodes in one host; each publishes its share."""
    counts = shares(live.source.directory, records)
    nodes = [live.node(a, count, per_second and per_second * count / records) for a, count in counts.items()]
    processes = {"broker": await live.start_broker()}
    processes["node host, 5 nodes"] = await live.start_nodes(nodes)
    return processes


async def _settled(live: Live, records: int) -> Mapping[AgencyId, StoreEvidence]:
    """Wait for all of it. Raises: `AssertionError` if anything was lost, doubled or out of order.

    Until nothing more arrives it only counts rows, seldom: an audit wants the processors that it would measure.
    """
    urls, seen = [live.store_url(a) for a in live.agencies], -1
    while (now := sum(map(count_received, urls))) != seen or sum(map(count_published, urls)) < records:
        seen = now
        await asyncio.sleep(_STILL_S)
    audited, known = await live.settled(records)
    assert (audited.lost, audited.duplicates, audited.out_of_order, audited.leaked) == (0, 0, 0, 0)
    assert audited.counts.conserved
    assert audited.counts.matrix == known.matrix
    return {a: read_store(live.store_url(a)) for a in live.agencies}


def _span(stores: Mapping[AgencyId, StoreEvidence]) -> tuple[int, int]:
    """From the first record sealed to the last delivery stored."""
    sealed = [p.sealed_at_ms for s in stores.values() for p in s.published]
    stored = [r.received_at_ms for s in stores.values() for r in s.received]
    return min(sealed), max(stored)


def _latencies(stores: Mapping[AgencyId, StoreEvidence], since_ms: int) -> list[int]:
    """Of each delivery of what was sealed from the instant on."""
    sealed = {p.manifest: p.sealed_at_ms for s in stores.values() for p in s.published}
    return [
        r.received_at_ms - sealed[r.manifest]
        for s in stores.values()
        for r in s.received
        if sealed[r.manifest] >= since_ms
    ]


def resident_mb(pid: int) -> float:
    """The most that the process had resident so far, in 10^6 bytes. Source: proc(5), VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(f"process {pid} has no VmHWM")
