"""Who is killed by which word: one at a time by turn, or all at once."""

from pathlib import Path

import pytest
import typer

from deploy.cli.grounds import killed, read_grounds
from deploy.errors import Refused
from deploy.stage.victims import Kill, Victims


def test_one_of_several_is_killed_by_turn_and_all_at_once() -> None:
    victims = Victims(["broker-0", "broker-1"], ["nodes-1", "nodes-2"], ["kafka-1", "kafka-2", "kafka-3"])
    assert [victims.next(Kill.BROKER) for _ in range(3)] == [("broker-0",), ("broker-1",), ("broker-0",)]
    assert victims.next(Kill.BROKERS) == ("broker-0", "broker-1")
    assert [victims.next(Kill.KAFKA) for _ in range(2)] == [("kafka-1",), ("kafka-2",)]
    assert victims.next(Kill.CLUSTER) == ("kafka-1", "kafka-2", "kafka-3")
    assert victims.next(Kill.NODE) == ("nodes-1",)


def test_what_cannot_be_killed_is_refused(tmp_path: Path) -> None:
    assert killed("broker,kafka") == (Kill.BROKER, Kill.KAFKA)
    assert killed("") == ()
    with pytest.raises(
        typer.BadParameter, match="'everything' is none of broker, node, kafka, brokers, cluster"
    ):
        killed("broker,everything")
    file = tmp_path / "cluster.json"
    with pytest.raises(typer.BadParameter, match="'kafka' is run by others"):
        read_grounds("kafka", None, None, file)
    with pytest.raises(typer.BadParameter, match="has the nodes it has"):
        read_grounds("", None, 3, file)
    with pytest.raises(Refused, match="cannot be read: No such file"):
        read_grounds("", None, None, file)
