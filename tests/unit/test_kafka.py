"""Jars are believed by their hash only; settings follow the number of nodes."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deploy
from deploy.errors import Missing
from deploy.kafka import jars
from deploy.kafka.settings import Ports, bootstrap, server_properties
from deploy.kafka.state import ClusterState, NodeState, free, pick_ports, read_state, write_state

PORTS = (Ports(20001, 20004), Ports(20002, 20005), Ports(20003, 20006))


def properties(node: int, nodes: int) -> dict[str, str]:
    text = server_properties(node, PORTS[:nodes], Path("/data"), Path("/tls"))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_the_list_names_each_jar_once_by_a_whole_hash() -> None:
    lines = (Path(jars.__file__).parent / "jars.sha256").read_text().splitlines()
    expected = jars.expected()
    assert len(expected) == len(lines) == 46
    assert all(len(digest) == 64 and int(digest, 16) for digest in expected.values())
    assert f"kafka_2.13-{jars.VERSION}.jar" in expected


def test_a_changed_jar_and_a_missing_one_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in jars.expected():
        (tmp_path / name).write_bytes(b"not this")
    (tmp_path / "kafka_2.13-4.1.1.jar").unlink()
    found = jars.faults(tmp_path)
    assert len(found) == 46
    assert "kafka_2.13-4.1.1.jar is missing" in found
    monkeypatch.setattr(jars, "jar_folder", lambda: tmp_path)
    with pytest.raises(Missing, match="run `make setup`"):
        jars.class_path()


def test_the_class_path_holds_the_listed_jars_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "expected", lambda: {"b.jar": sha("b"), "a.jar": sha("a")})
    monkeypatch.setattr(jars, "jar_folder", lambda: tmp_path)
    for name in "abc":
        (tmp_path / f"{name}.jar").write_text(name)
    assert jars.class_path() == f"{tmp_path}/b.jar:{tmp_path}/a.jar"


def test_an_installed_package_keeps_its_jars_in_the_cache_of_the_user(tmp_path: Path) -> None:
    shutil.copytree(
        Path(deploy.__file__).parent, tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = "from deploy.kafka import jars; print(jars.jar_folder(), jars.how_to_fetch(), sep='\\n')"
    environment = {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": "/somewhere"}
    for more, cache in (({}, "/somewhere/entente"), ({"ENTENTE_CACHE": "/elsewhere"}, "/elsewhere")):
        said = subprocess.run(
            [sys.executable, "-P", "-S", "-c", code],
            env=environment | more,
            check=True,
            capture_output=True,
            text=True,
        )
        assert said.stdout.splitlines() == [f"{cache}/kafka/{jars.VERSION}", "python -m deploy.kafka.jars"]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_every_listener_wants_a_certificate_and_nothing_is_allowed_unasked() -> None:
    for nodes in (1, 3):
        found = properties(1, nodes)
        assert found["listener.security.protocol.map"] == "CLIENT:SSL,CONTROLLER:SSL"
        assert found["ssl.client.auth"] == "required"
        assert found["allow.everyone.if.no.acl.found"] == "false"
        assert found["auto.create.topics.enable"] == "false"


def test_three_nodes_vote_together_and_keep_three_copies() -> None:
    one, third = properties(1, 1), properties(3, 3)
    assert third["node.id"] == "3"
    assert third["controller.quorum.voters"] == "1@127.0.0.1:20004,2@127.0.0.1:20005,3@127.0.0.1:20006"
    assert third["advertised.listeners"] == "CLIENT://127.0.0.1:20003"
    assert (one["transaction.state.log.replication.factor"], one["min.insync.replicas"]) == ("1", "1")
    assert (third["transaction.state.log.replication.factor"], third["min.insync.replicas"]) == ("3", "2")
    assert bootstrap(PORTS) == "127.0.0.1:20001,127.0.0.1:20002,127.0.0.1:20003"


def test_state_read_is_state_written(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    state = ClusterState(
        "an-id", jars.VERSION, (NodeState(1, 20001, 20004, 4711), NodeState(2, 20002, 20005, None))
    )
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_ports_are_free_and_distinct_and_below_those_of_outgoing_connections() -> None:
    found = [port for ports in pick_ports(3) for port in (ports.client, ports.controller)]
    assert len(set(found)) == 6
    assert all(port < 32_768 for port in found)
    assert all(free(port) for port in found)
