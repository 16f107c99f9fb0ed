"""What a cluster node is told: `server.properties`, as data.

- Mutual TLS on every listener, and an authorizer that denies what no ACL grants, from the first boot.
- Broker and controller in one process (KRaft), static voters; one node, or n with replication min(3, n).
- Every value that is not Kafka's default has its reason beside it. The values were measured under kills and
  freezes.

Nothing here touches a disk or a socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NODE = "node"
ADMIN = "admin"


@dataclass(frozen=True)
class Ports:
    """Where one node listens, on 127.0.0.1."""

    client: int
    controller: int


def bootstrap(ports: Sequence[Ports]) -> str:
    """The `bootstrap.servers` of a client."""
    return ",".join(f"127.0.0.1:{each.client}" for each in ports)


def server_properties(node: int, ports: Sequence[Ports], data: Path, tls: Path) -> str:
    """The file of node `node` (1..n) of a cluster whose nodes listen at `ports`.

    `data` is the node's own log folder, `tls` holds `ca.pem` and `tls.pem` of the principal `node`.
    """
    values = {
        **_identity(node, ports, data),
        **_security(tls),
        **_replication(len(ports)),
        **_clocks(len(ports)),
        **_SIZE,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _identity(node: int, ports: Sequence[Ports], data: Path) -> dict[str, object]:
    own = ports[node - 1]
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(
            f"{n}@127.0.0.1:{each.controller}" for n, each in enumerate(ports, 1)
        ),
        "listeners": f"CLIENT://127.0.0.1:{own.client},CONTROLLER://127.0.0.1:{own.controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{own.client}",
        "listener.security.protocol.map": "CLIENT:SSL,CONTROLLER:SSL",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "log.dirs": data,
    }


def _security(tls: Path) -> dict[str, object]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": tls / "tls.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": tls / "ca.pem",
        "ssl.client.auth": "required",
        "ssl.enabled.protocols": "TLSv1.3",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{NODE};User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
        # A topic made by a typing error would have no ACL, no LogAppendTime and the wrong partitions.
        "auto.create.topics.enable": "false",
    }


def _replication(nodes: int) -> dict[str, object]:
    copies, in_sync = min(3, nodes), min(2, nodes)
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _clocks(nodes: int) -> dict[str, object]:
    values: dict[str, object] = {
        # The back-stop for an owner that died and was not replaced: it blocks readers for its timeout plus
        # this.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "group.initial.rebalance.delay.ms": 0,
    }
    if nodes == 1:
        # After a SIGKILL the controller refuses the new incarnation until the old session has ended, so a
        # restart takes boot + session timeout: 2.1 s with this, 12.1 s with the default of 9 s.
        return values | {"broker.session.timeout.ms": 1000, "broker.heartbeat.interval.ms": 200}
    # With others to take over, the session timeout is the floor of every recovery; the request timeouts are
    # what a frozen node costs, since its TCP still answers.
    return values | {
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "request.timeout.ms": 5000,
        "controller.quorum.request.timeout.ms": 2000,
        "controller.quorum.fetch.timeout.ms": 2000,
        "controller.quorum.election.timeout.ms": 1000,
        "replica.socket.timeout.ms": 5000,
        "replica.lag.time.max.ms": 10000,
    }


#: Small: one laptop holds the cluster and everything else. Few internal partitions also load faster after a
#: restart.
_SIZE: dict[str, object] = {
    "offsets.topic.num.partitions": 3,
    "transaction.state.log.num.partitions": 6,
    "log.cleaner.dedupe.buffer.size": 2097152,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    # As the kernel sees fit: by Kafka's own 100 KiB, a request of megabytes goes through a keyhole.
    "socket.receive.buffer.bytes": -1,
    "socket.send.buffer.bytes": -1,
}
