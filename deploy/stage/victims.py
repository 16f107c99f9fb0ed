"""Who is killed: what `--kill` says, as services of a run.

broker    a worker, the next of them at each time       brokers    every worker at once
node      a node host, the next of them at each time
kafka     a cluster node, the next of them at each time  cluster    every cluster node at once
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import cycle


class Kill(StrEnum):
    """What can be killed."""

    BROKER = "broker"
    NODE = "node"
    KAFKA = "kafka"
    BROKERS = "brokers"
    CLUSTER = "cluster"


class Victims:
    """Takes turns among the services of each sort."""

    def __init__(self, workers: Sequence[str], hosts: Sequence[str], cluster: Sequence[str]) -> None:
        self._all = {Kill.BROKERS: tuple(workers), Kill.CLUSTER: tuple(cluster)}
        self._turns = {Kill.BROKER: cycle(workers), Kill.NODE: cycle(hosts), Kill.KAFKA: cycle(cluster)}

    def next(self, what: Kill) -> tuple[str, ...]:
        """The services to kill now."""
        return self._all[what] if what in self._all else (next(self._turns[what]),)
