"""The services of a run as child processes: cluster, broker and node hosts, each of which may be killed.

Everything is started in order and ready before the next needs it; what ends by itself is an error that names
its log. Stopping goes the other way round.
"""

import asyncio
import json
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.arrangements import ArrangementSource
from deploy.ceremony import Ceremony, hold_ceremony
from deploy.errors import StartFailed
from deploy.kafka.cluster import Cluster
from deploy.kafka.external import ExternalCluster
from deploy.pki import Authority
from deploy.processes import Child
from deploy.secretariat import (
    Secretariat,
    countersigned,
    propose_change,
    propose_version,
    read_identities,
)
from deploy.staff import ROSTER
from deploy.stage.addresses import ADDRESS, BROKER_API, Addresses, address_in, write_addresses
from deploy.stage.ports import free_port
from deploy.stage.run import Run
from deploy.stage.work import Work
from deploy.topics import apply_topics
from schemas.clock import ClockMap
from schemas.history import Standing
from schemas.http.tokens import ApiRole, public_key
from schemas.ids import AgencyId
from schemas.topics import FEDERATION

_READY_LIMIT = (
    180.0  # seconds; a loaded machine is slow, and a service that cannot start ends and is seen at once
)
_NODES_A_HOST = 8
_HEADS_EVERY_S = 5.0  # a run may be over within the minute that services have by themselves

Step = Callable[[str, float], None]


class Services:
    """A running federation. `on_step` hears of each step and its seconds."""

    def __init__(
        self,
        run: Run,
        source: ArrangementSource,
        work: Work,
        *,
        isolate: bool = False,
        apis: bool = False,
        cluster_nodes: int = 1,
        on_step: Step = lambda _name, _seconds: None,
    ) -> None:
        """`cluster_nodes`: of a cluster of the run's own; one that others run is what it is."""
        self.run = run
        self.source = source
        self._isolate = isolate
        self._ports = {name: free_port() for name in (BROKER_API, *self.agencies)} if apis else {}
        self.addresses = Addresses()
        self._cluster_nodes = cluster_nodes
        self.work = work
        self._on_step = on_step
        self._stack = AsyncExitStack()
        self._ceremony: Ceremony | None = None
        self.cluster: Cluster | ExternalCluster = run.record.external or Cluster(run.cluster, None)
        self._commands: dict[str, tuple[str, Path, str, int]] = {}
        self._children: dict[str, Child] = {}

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        return self.source.directory.agency_ids

    @property
    def ceremony(self) -> Ceremony:
        assert self._ceremony is not None
        return self._ceremony

    @cached_property
    def secretariat(self) -> Secretariat:
        """Publishes what members sign while the run goes on."""
        return Secretariat.of(
            self.cluster.bootstrap,
            self.ceremony.tls(FEDERATION),
            self.cluster.admin_tls,
            self.run.record.prefix,
            self.ceremony.arrangement,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        begun = time.monotonic()
        if isinstance(self.cluster, ExternalCluster):
            self._ceremony = hold_ceremony(self.source, self.run.folder, self.cluster)
            begun = self._done("keys and genesis", begun)
        else:
            authority = Authority.create()
            authority.save(self.run.authority)
            self._ceremony = hold_ceremony(self.source, self.run.folder, authority)
            begun = self._done("keys and genesis", begun)
            self.cluster = Cluster(self.run.cluster, authority, nodes=self._cluster_nodes)
            await self._stack.enter_async_context(self.cluster)
            begun = self._done("Kafka", begun)
        await apply_topics(
            self.cluster.bootstrap,
            self.cluster.admin_tls,
            self.agencies,
            shards=self.source.directory.partitions,
            prefix=self.run.record.prefix,
        )
        self._stack.push_async_callback(self.secretariat.close)
        await self.secretariat.publish(self.ceremony.genesis)
        if self.work.clock is not None:
            await self.change_clock(self.work.clock)
        begun = self._done("topics and rights", begun)
        self._stack.push_async_callback(self._stop_children)
        self._commands = {**self._workers(), **self._hosts()}
        if self._ports:
            self._commands[BROKER_API] = self._broker_api()
        for name in self._commands:
            self._boot(name)
        await asyncio.gather(*(self._ready(name) for name in self._commands))
        self._done("broker and nodes", begun)
        if self._ports:
            agencies = {agency: self._url(agency) for agency in self.agencies}
            self.addresses = Addresses(
                broker=address_in(self._children[BROKER_API].said()), agencies=agencies
            )
            write_addresses(self.run.folder, self.addresses)

    def _done(self, name: str, begun: float) -> float:
        now = time.monotonic()
        self._on_step(name, now - begun)
        return now

    async def change_clock(self, clock: ClockMap) -> Standing:
        """Let as many members sign the clock as must, and publish it; lanes act on it a moment later."""
        return await self._sign(propose_change(self.secretariat.history, clock))

    async def change_arrangement(
        self, source: ArrangementSource, signed_by: Sequence[AgencyId] = ()
    ) -> Standing:
        """Let members sign a new version, and publish it. Raises: `ArrangementError` if too few of them do."""
        return await self._sign(
            propose_version(self.secretariat.history.current.arrangement, source), signed_by
        )

    async def _sign(self, data: bytes, signed_by: Sequence[AgencyId] = ()) -> Standing:
        current = self.secretariat.history.current.arrangement
        signers = signed_by or self.agencies[: current.body.threshold]
        identities = read_identities(self.run.folder, signers)
        return await self.secretariat.publish(countersigned(data, current, identities))

    def now_ms(self) -> int:
        """Domain time, as the clock has it that was signed last."""
        return self.secretariat.history.current.clock.to_domain(time.time_ns() // 1_000_000)

    def _settings(self, name: str, content: dict[str, object]) -> Path:
        path = self.run.folder / f"{name}.json"
        common = {
            "bootstrap": self.cluster.bootstrap,
            "genesis": self.ceremony.arrangement.digest.hex(),
            "prefix": self.run.record.prefix,
        }
        path.write_text(json.dumps({**common, **content}, indent=2) + "\n")
        return path.absolute()

    def _workers(self) -> dict[str, tuple[str, Path, str, int]]:
        """A worker for each shard."""
        folder = self.ceremony.broker.absolute()
        common: dict[str, object] = {
            "keys": str(folder / "keys"),
            "state": str(folder / "state"),
            "heads_every_s": _HEADS_EVERY_S,
        }
        return {
            name: ("broker", self._settings(name, {**common, "shard": shard}), "ready", 1)
            for name, shard in zip(self.worker_names, self.source.directory.shards, strict=True)
        }

    def _broker_api(self) -> tuple[str, Path, str, int]:
        keys = str((self.ceremony.broker / "keys").absolute())
        issuers = {role: self._issuer(role) for role in (ApiRole.AUDITOR, ApiRole.OPERATOR)}
        settings = self._settings(
            BROKER_API,
            {
                "keys": keys,
                "issuers": issuers,
                "broker_store_url": self.run.projection,
                "port": self._ports[BROKER_API],
            },
        )
        return "broker.api", settings, ADDRESS, 1

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _officers(self, agency: AgencyId) -> dict[str, object]:
        """The API of a node, if the run wants any."""
        if not self._ports:
            return {}
        roster = self.ceremony.agency(agency) / ROSTER
        api = {
            "officers": str(roster.absolute()),
            "port": self._ports[agency],
            "broker": self._url(BROKER_API),
        }
        return {"api": api}

    def _issuer(self, role: ApiRole) -> dict[str, str]:
        public = public_key(self.ceremony.token_key(role).read_bytes())
        return {"role": role, "key": urlsafe_b64encode(public).decode()}

    def _hosts(self) -> dict[str, tuple[str, Path, str, int]]:
        """One host for every eight nodes, or one for each."""
        size = 1 if self._isolate else _NODES_A_HOST
        parts = [list(self.agencies[at : at + size]) for at in range(0, len(self.agencies), size)]
        if self._isolate:
            groups = {f"node-{part[0]}": part for part in parts}
        elif len(parts) == 1:
            groups = {"nodes": parts[0]}
        else:
            groups = {f"nodes-{n}": part for n, part in enumerate(parts, 1)}
        return {
            name: (
                "agencies",
                self._settings(name, {"nodes": [self._node(a) for a in group]}),
                "node runs",
                len(group),
            )
            for name, group in groups.items()
        }

    def _node(self, agency: AgencyId) -> dict[str, object]:
        return {
            "agency": agency,
            "keys": str((self.ceremony.agency(agency) / "keys").absolute()),
            "store": self.run.store(agency),
            "heads_every_s": _HEADS_EVERY_S,
            **self._officers(agency),
            **self.work.settings(agency, self.ceremony.agency(agency)),
        }

    def _boot(self, name: str) -> None:
        module, settings, _, _ = self._commands[name]
        # -P: the run's folder has a folder `broker` too, and must not be taken for the package.
        command: list[str | Path] = [sys.executable, "-P", "-m", module, settings]
        self._children[name] = Child.start(name, command, log=self.run.logs / f"{name}.log")

    async def _ready(self, name: str) -> None:
        _, _, word, times = self._commands[name]
        child = self._children[name]
        try:
            async with asyncio.timeout(_READY_LIMIT):
                while child.said().count(word) < times:
                    self.check(name)
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise StartFailed(
                f"{name} was not ready after {_READY_LIMIT:.0f} s: {child.last_words()}, see '{child.log}'"
            ) from error

    def check(self, *names: str) -> None:
        """Raises: `StartFailed` if a service has ended by itself."""
        for name in names or tuple(self._children):
            child = self._children[name]
            if not child.alive:
                raise StartFailed(
                    f"{name} ended ({child.returncode}): {child.last_words()}, see '{child.log}'"
                )

    @property
    def worker_names(self) -> list[str]:
        """The workers, in the order of their shards."""
        shards = self.source.directory.shards
        return ["broker"] if len(shards) == 1 else [f"broker-{shard}" for shard in shards]

    @property
    def host_names(self) -> list[str]:
        """The node hosts."""
        return [name for name in self._commands if name not in (*self.worker_names, BROKER_API)]

    @property
    def cluster_names(self) -> list[str]:
        """The nodes of the run's own cluster; none if others run it."""
        if isinstance(self.cluster, ExternalCluster):
            return []
        nodes = self.cluster.nodes
        return ["kafka"] if nodes == 1 else [f"kafka-{node}" for node in range(1, nodes + 1)]

    def _cluster_numbers(self, names: Sequence[str]) -> list[int]:
        return [node for node, name in enumerate(self.cluster_names, 1) if name in names]

    def outlives(self, names: Sequence[str]) -> bool:
        """Whether deliveries go on while these services are away: cluster nodes, and fewer than half of them."""
        cluster = self.cluster_names
        return set(names) <= set(cluster) and 2 * len(names) < len(cluster)

    async def kill(self, *names: str) -> None:
        """SIGKILL services, cluster nodes among them, and wait until they are gone."""
        children = [self._children[name] for name in names if name in self._children]
        if ours := [name for name in names if name not in self._children]:
            assert isinstance(self.cluster, Cluster)
            children += [self.cluster.child(n) for n in self._cluster_numbers(ours)]
        for child in children:
            child.kill()
        await asyncio.gather(*(child.wait() for child in children))

    async def restart(self, *names: str) -> None:
        """Start killed services again and wait until they are ready."""
        if ours := [name for name in names if name not in self._children]:
            assert isinstance(self.cluster, Cluster)
            await self.cluster.restart(*self._cluster_numbers(ours))
        started = [name for name in names if name in self._children]
        for name in started:
            self._boot(name)
        await asyncio.gather(*(self._ready(name) for name in started))

    async def _stop_children(self) -> None:
        await asyncio.gather(*(child.terminate(10) for child in self._children.values()))
