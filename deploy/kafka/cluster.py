"""A Kafka cluster of our own, as child processes: it can be killed, and comes back with what it acknowledged.

- One folder holds all of it: settings, data, logs, TLS, `cluster.json`. A folder that already holds a cluster
  is booted again.
- `start` returns when a client is served, over mutual TLS; if it fails, nothing keeps running.
- `kill` is a real SIGKILL. `stop` asks first: with several nodes the last one has lost its quorum, waits for
  it in vain, and is ended after some seconds.

Like every `Child`, nodes are started from the main thread or a `Keeper`.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import uuid
from pathlib import Path
from typing import Self

from deploy.errors import DeployError, StartFailed
from deploy.kafka import jars, java
from deploy.kafka.ready import wait_ready
from deploy.kafka.settings import ADMIN, NODE, Ports, bootstrap, server_properties
from deploy.kafka.state import ClusterState, NodeState, pick_ports, read_state, write_state
from deploy.pki import LOCAL_HOSTS, Authority, write_tls
from deploy.processes import Child
from schemas.transport import client_context

_READY_LIMIT = 60.0  # seconds; a loaded machine boots slowly, a broken node ends and is seen at once
_STOP_GRACE = 6.0
_ARCHIVE_GRACE = 30.0  # the one stop that also writes the class-data archive
_TRIES = 5


class Cluster:
    """Use as `async with`, or call `start` and `stop`."""

    def __init__(self, folder: Path, authority: Authority | None, *, nodes: int | None = None) -> None:
        """Without an authority the TLS identities of an earlier start are used, to re-open an old run.

        `nodes` None: as many as the folder holds, one in a new folder.
        """
        self.folder = folder.absolute()
        self._wanted = nodes
        self.nodes = nodes or 1
        self._authority = authority
        self._ports: list[Ports] = []
        self._children: dict[int, Child] = {}
        self._archiving: dict[int, tuple[Path, Path]] = {}
        self._cluster_id = ""
        self._class_path = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def bootstrap(self) -> str:
        """`bootstrap.servers` for clients; fixed from `start` to the last `restart`."""
        return bootstrap(self._ports)

    @property
    def admin_tls(self) -> Path:
        """Folder with `ca.pem` and `tls.pem` of the super user `admin`."""
        return self.folder / "tls" / ADMIN

    @property
    def log_files(self) -> tuple[Path, ...]:
        return tuple(self._node_folder(node) / "kafka.log" for node in self._numbers)

    def child(self, node: int = 1) -> Child:
        """The process of a node, to look at it or to freeze it."""
        return self._children[node]

    async def start(self) -> None:
        """Bring all nodes up, formatting them the first time; returns when clients are served.

        Raises:
            Missing: jars, Java or a free port.
            StartFailed: a node ended or did not get ready; the message names its log.
        """
        self._class_path = await asyncio.to_thread(jars.class_path)
        self._prepare_tls()
        before = read_state(self.folder)
        if before is not None and self._wanted not in (None, len(before.nodes)):
            raise DeployError(
                f"'{self.folder}' holds a cluster of {len(before.nodes)} nodes, not {self.nodes}"
            )
        self.nodes = self.nodes if before is None else len(before.nodes)
        self._cluster_id = before.cluster_id if before else _new_cluster_id()
        wanted = [node.ports for node in before.nodes] if before else []
        try:
            for attempt in range(1, _TRIES + 1):
                self._ports = pick_ports(self.nodes, wanted)
                try:
                    await self._start_all()
                except _PortTaken:
                    await self._end_all()
                    if attempt == _TRIES:
                        raise
                else:
                    return
        except BaseException:
            await self._end_all()
            raise

    async def stop(self) -> None:
        """Stop all nodes: asked first, made to after some seconds."""
        grace = _ARCHIVE_GRACE if self._archiving else _STOP_GRACE
        await asyncio.gather(*(child.terminate(grace) for child in self._children.values()))
        for fresh, final in self._archiving.values():
            if fresh.exists():
                fresh.replace(final)
        self._archiving.clear()
        if self._ports:
            self._write_state()

    def kill(self, node: int = 1) -> None:
        """SIGKILL one node. Returns at once; `restart` waits for its end."""
        self._children[node].kill()

    async def restart(self, *nodes: int) -> None:
        """Bring nodes (none named: node 1) back on their ports, stopping them first; returns when they serve clients.

        Those without which there is no quorum must come back together.

        Raises:
            StartFailed: one ended, did not get ready, or somebody else took its port.
        """
        wanted = set(nodes or (1,))
        for child in [self._children[node] for node in wanted]:
            await (child.terminate(_STOP_GRACE) if child.alive else child.wait())
        for attempt in range(1, _TRIES + 1):
            for node in wanted:
                if attempt == 1 or not self._children[node].alive:
                    self._boot(node)
            try:
                await self._ready(wanted)
            except _PortTaken:
                if attempt == _TRIES:
                    raise
                await asyncio.sleep(0.5)
            else:
                break
        self._write_state()

    async def _start_all(self) -> None:
        tls = self.folder / "tls" / NODE
        for node in self._numbers:
            self._node_folder(node).mkdir(parents=True, exist_ok=True)
            text = server_properties(node, self._ports, self._node_folder(node) / "data", tls)
            self._settings(node).write_text(text)
        await asyncio.gather(*(self._format(node) for node in self._numbers))
        for node in self._numbers:
            self._boot(node)
        self._write_state()
        await self._ready(set(self._numbers))

    async def _format(self, node: int) -> None:
        data = self._node_folder(node) / "data"
        if (data / "meta.properties").exists():
            return
        shutil.rmtree(data, ignore_errors=True)  # a format that was interrupted
        found = java.find()
        arguments = ("format", "-t", self._cluster_id, "-c", str(self._settings(node)))
        archive = java.use(java.archive_file(found, self._class_path))
        line = java.command(found, self._class_path, "kafka.tools.StorageTool", *arguments, archive=archive)
        child = Child.start(
            f"format of cluster node {node}", line, log=self._node_folder(node) / "format.log"
        )
        try:
            code = await child.wait(_READY_LIMIT)
        except BaseException:
            child.kill()
            await child.wait()
            raise
        if code != 0:
            raise StartFailed(f"{child.name} failed: {child.last_words()}, see '{child.log}'")

    def _boot(self, node: int) -> None:
        found = java.find()
        archive = java.archive_file(found, self._class_path)
        flags = java.use(archive)
        if not flags and self.nodes == 1:
            fresh = archive.with_suffix(f".{uuid.uuid4().hex}.tmp")
            self._archiving[node] = (fresh, archive)
            flags = java.make(fresh)
        line = java.command(found, self._class_path, "kafka.Kafka", str(self._settings(node)), archive=flags)
        log = self._node_folder(node) / "kafka.log"
        self._children[node] = Child.start(f"cluster node {node}", line, log=log)

    async def _ready(self, nodes: set[int]) -> None:
        def check() -> None:
            for node in nodes:
                child = self._children[node]
                if child.alive:
                    continue
                if "Address already in use" in child.said():
                    raise _PortTaken(
                        f"{child.name}: a port of {self._ports[node - 1]} is taken, see '{child.log}'"
                    )
                raise StartFailed(
                    f"{child.name} ended while starting: {child.last_words()}, see '{child.log}'"
                )

        running = {node for node, child in self._children.items() if child.alive}
        address = bootstrap([self._ports[node - 1] for node in sorted(nodes)])
        context = client_context(self.admin_tls)
        whole = len(running) == self.nodes
        await wait_ready(address, context, nodes, limit=_READY_LIMIT, check=check, leaders=whole)

    async def _end_all(self) -> None:
        for child in self._children.values():
            child.kill()
        await asyncio.gather(*(child.wait() for child in self._children.values()))
        self._children.clear()
        self._archiving.clear()

    def _prepare_tls(self) -> None:
        if self._authority is None:
            if not (self.admin_tls / "tls.pem").exists():
                raise DeployError(f"'{self.folder}' holds no cluster to open again")
            return
        trusted = self.admin_tls / "ca.pem"
        if trusted.exists() and trusted.read_bytes() == self._authority.pem:
            return
        write_tls(self.folder / "tls" / NODE, self._authority.issue(NODE, hosts=LOCAL_HOSTS))
        write_tls(self.admin_tls, self._authority.issue(ADMIN))

    def _write_state(self) -> None:
        nodes = []
        for node, ports in enumerate(self._ports, 1):
            child = self._children.get(node)
            pid = child.pid if child is not None and child.alive else None
            nodes.append(NodeState(node, ports.client, ports.controller, pid))
        write_state(self.folder, ClusterState(self._cluster_id, jars.VERSION, tuple(nodes)))

    @property
    def _numbers(self) -> range:
        return range(1, self.nodes + 1)

    def _node_folder(self, node: int) -> Path:
        return self.folder / f"node-{node}"

    def _settings(self, node: int) -> Path:
        return self._node_folder(node) / "server.properties"


class _PortTaken(StartFailed):
    """Somebody else listens there: another port may do."""


def _new_cluster_id() -> str:
    # Kafka's own form of a UUID. One that begins with a dash would be read as an option of its format tool.
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()).startswith("-"):
        pass
    return text
