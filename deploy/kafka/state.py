"""What another process has to know to reach a cluster: `cluster.json` in its folder.

- Written whole or not at all (renamed into place), at every change of a port or a process.
- A node that is not running has no pid. The file says what was true when it was written, so who reads it
  still has to connect.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.errors import Missing
from deploy.kafka.settings import Ports, bootstrap

# Below the range that the kernel takes ports of outgoing connections from. There, a client that keeps calling
# a killed node can be given that very port, connect to itself, and so keep the node from coming back.
_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class NodeState:
    """One node: number (from 1), ports, process."""

    id: int
    client_port: int
    controller_port: int
    pid: int | None

    @property
    def ports(self) -> Ports:
        return Ports(self.client_port, self.controller_port)


@dataclass(frozen=True)
class ClusterState:
    """A cluster as its folder tells it."""

    cluster_id: str
    kafka: str
    nodes: tuple[NodeState, ...]

    @property
    def bootstrap(self) -> str:
        return bootstrap([node.ports for node in self.nodes])

    @property
    def running(self) -> bool:
        """Whether its nodes seem to be there: the processes live, and their ports are taken."""
        return all(
            node.pid is not None and Path(f"/proc/{node.pid}").exists() and not free(node.client_port)
            for node in self.nodes
        )


def read_state(folder: Path) -> ClusterState | None:
    """The state in a cluster's folder; None if no cluster was ever started there."""
    try:
        found = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    nodes = tuple(NodeState(**node) for node in found["nodes"])
    return ClusterState(found["cluster_id"], found["kafka"], nodes)


def write_state(folder: Path, state: ClusterState) -> None:
    """Write the state for others; `bootstrap` stands in it for people who read the file."""
    aside = folder / f".cluster.json.{os.getpid()}"
    aside.write_text(json.dumps({"bootstrap": state.bootstrap, **asdict(state)}, indent=2) + "\n")
    aside.replace(folder / "cluster.json")


def free(port: int) -> bool:
    """Whether a server could listen there now (a connection in TIME_WAIT does not hinder Java either)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def pick_ports(nodes: int, wanted: Sequence[Ports] = ()) -> list[Ports]:
    """Ports for `nodes` nodes: the wanted ones if all are free, else others.

    Two programs may still pick the same one: who starts a node has to look whether it could listen.

    Raises:
        Missing: no free ports.
    """
    if len(wanted) == nodes and all(free(port) for each in wanted for port in (each.client, each.controller)):
        return list(wanted)
    candidates = random.SystemRandom().sample(_PORTS, 64 + 8 * nodes)
    found = [port for port in candidates if free(port)][: 2 * nodes]
    if len(found) < 2 * nodes:
        raise Missing(
            f"no free TCP ports between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1: end what uses them"
        )
    return [Ports(found[i], found[i + nodes]) for i in range(nodes)]
