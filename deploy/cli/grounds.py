"""The options that say on what a federation runs: how many shards, on which cluster, and what of it is killed."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.kafka.external import ExternalCluster
from deploy.stage.play import Grounds
from deploy.stage.victims import Kill

KillOption = Annotated[
    str,
    typer.Option(
        help="SIGKILL these once in the middle, in this order: broker (a worker), brokers (all), node, "
        "kafka (a cluster node), cluster (all of its nodes); separated by commas."
    ),
]
ShardsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Spread the lanes over so many shards, each a broker process of its own."),
]
ClusterNodesOption = Annotated[
    int | None, typer.Option(min=1, max=9, help="Nodes of the run's own Kafka; 1 unless said.")
]
ClusterOption = Annotated[
    Path | None,
    typer.Option(help="A Kafka that others run, by the JSON file that says where it is and who it knows."),
]


def read_grounds(kill: str, shards: int | None, cluster_nodes: int | None, cluster: Path | None) -> Grounds:
    """Raises: `typer.BadParameter` for what does not fit together, `Refused` for a file that cannot be used."""
    kills = killed(kill)
    if cluster is None:
        return Grounds(kills, shards, cluster_nodes or 1)
    if cluster_nodes is not None:
        raise typer.BadParameter(
            "a cluster that others run has the nodes it has", param_hint="--cluster-nodes"
        )
    if theirs := {Kill.KAFKA, Kill.CLUSTER} & set(kills):
        raise typer.BadParameter(f"'{min(theirs)}' is run by others with --cluster", param_hint="--kill")
    return Grounds(kills, shards, external=ExternalCluster.read(cluster))


def killed(names: str) -> tuple[Kill, ...]:
    """The services named for SIGKILL. Raises: `typer.BadParameter` for one that cannot be killed."""
    kills = tuple(what for what in names.split(",") if what)
    if unknown := [what for what in kills if what not in list(Kill)]:
        raise typer.BadParameter(f"'{unknown[0]}' is none of {', '.join(Kill)}", param_hint="--kill")
    return tuple(map(Kill, kills))
