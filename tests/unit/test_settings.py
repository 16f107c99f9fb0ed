"""Settings: one file, the environment before it, every fault told with its place, no secret shown."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from agencies.settings import HostSettings, NodeSettings
from broker.settings import BrokerSettings
from deploy.reference import PROCESSES, reference
from schemas.environment import OverFile
from schemas.logs import LogFormat, LogLevel
from schemas.model import BadSettings, Settings, parse_settings

PASSWORD = "correct-horse"
NODE = {"agency": "gb-nca", "keys": "k", "store": "sqlite://", "plan": {"seed": 1, "records": 2}}
HOST = {"bootstrap": "127.0.0.1:1", "genesis": "00" * 32, "nodes": [NODE]}
BROKER = {"bootstrap": "127.0.0.1:1", "keys": "k", "state": "s", "genesis": "00" * 32}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OverFile(HostSettings).strangers():
        monkeypatch.delenv(name)


def host(**changes: object) -> HostSettings:
    return parse_settings(HostSettings, json.dumps(HOST | changes).encode(), "file.json")


def faults(**changes: object) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        host(**changes)
    assert PASSWORD not in str(caught.value)
    return str(caught.value).splitlines()


def test_a_file_alone() -> None:
    settings = host()
    assert settings.nodes[0].agency == "gb-nca"
    assert (settings.log, settings.log_level) == (LogFormat.TEXT, LogLevel.INFO)
    broker = parse_settings(BrokerSettings, json.dumps(BROKER).encode(), "file.json")
    assert broker.state == Path("s")


@pytest.mark.parametrize(
    "variable, value, path, expected",
    [
        ("ENTENTE_LOG", "json", "log", LogFormat.JSON),
        ("ENTENTE_PREFIX", "x.", "prefix", "x."),
        ("ENTENTE_NODES__0__PLAN__RECORDS", "7", "nodes.0.plan.records", 7),
        ("ENTENTE_NODES__0__PLAN", "null", "nodes.0.plan", None),
        ("ENTENTE_NODES__0__PLAN", '{"seed": 3, "records": 4}', "nodes.0.plan.seed", 3),
        ("ENTENTE_NODES__0__SCRIPT", "/acts", "nodes.0.script", Path("/acts")),
        ("ENTENTE_NODES__0__STORE", "sqlite:///b", "nodes.0.store", SecretStr("sqlite:///b")),
        ("ENTENTE_NODES__1", json.dumps(NODE | {"agency": "fr-oltim"}), "nodes.1.agency", "fr-oltim"),
        ("ENTENTE_NODES", json.dumps([NODE | {"agency": "it-pds"}]), "nodes.0.agency", "it-pds"),
    ],
)
def test_the_environment_goes_first(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, path: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    found: object = host()
    for part in path.split("."):
        found = found[int(part)] if isinstance(found, tuple) else getattr(found, part)
    assert found == expected
    assert host().genesis == HOST["genesis"]


@pytest.mark.parametrize(
    "variable, value, line",
    [
        ("ENTENTE_LOG", "xml", "ENTENTE_LOG: log: Input should be 'text' or 'json'"),
        ("ENTENTE_GENESIS", "abc", "ENTENTE_GENESIS: genesis: String should match pattern"),
        ("ENTENTE_NODES__0__PORT", "1", "ENTENTE_NODES__0__PORT: nodes.0.port: Extra inputs"),
        (
            "ENTENTE_NODES__0__STORE",
            PASSWORD,
            "ENTENTE_NODES__0__STORE: nodes.0.store: Value error, a database URL",
        ),
        ("ENTENTE_NODES__9__STORE", "sqlite://", "environment: nodes.9: one of the 1 items is expected"),
        ("ENTENTE_NODES__X__STORE", "sqlite://", "environment: nodes.x: one of the 1 items is expected"),
        ("ENTENTE_NODES", f"[{PASSWORD}", "environment: "),
    ],
)
def test_a_fault_in_a_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str) -> None:
    monkeypatch.setenv(variable, value)
    [found] = faults()
    assert found.startswith(line)


def test_a_fault_in_the_file() -> None:
    assert faults(extra=1) == ["file.json: extra: Extra inputs are not permitted"]
    assert faults(Prefix="x") == ["file.json: Prefix: Extra inputs are not permitted"]
    assert len(faults(genesis=1, nodes=[], bootstrap=PASSWORD)) == 3
    [line] = faults(nodes=[NODE | {"store": PASSWORD}])
    assert line.startswith("file.json: nodes.0.store: Value error, a database URL as SQLAlchemy writes it")
    with pytest.raises(BadSettings, match=r"^file.json: file: an object is expected$"):
        parse_settings(HostSettings, b"[]", "file.json")


def test_secrets_are_not_shown() -> None:
    settings = host(nodes=[NODE | {"store": f"postgresql+psycopg://me:{PASSWORD}@db/x"}])
    assert PASSWORD in settings.nodes[0].store.get_secret_value()
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert PASSWORD not in shown


def test_settings_do_not_change() -> None:
    settings = host()
    with pytest.raises(ValidationError, match="frozen"):
        settings.prefix = "y"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.nodes[0].keys = Path("y")  # type: ignore[misc]


def test_a_constructor_does_not_look_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTENTE_PREFIX", "x.")
    node = NodeSettings.model_validate(NODE)
    assert HostSettings(bootstrap="a:1", genesis="00" * 32, nodes=(node,)).prefix == ""


def test_variables_for_other_processes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTENTE_SHARD", "1")
    monkeypatch.setenv("ENTENTE_LGO", "json")
    monkeypatch.setenv("ENTENTE_LOG", "json")
    assert OverFile(HostSettings).strangers() == ["ENTENTE_LGO", "ENTENTE_SHARD"]
    assert OverFile(BrokerSettings).strangers() == ["ENTENTE_LGO"]


def test_the_page_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == reference(), "run `entente settings > docs/settings.md`"


@pytest.mark.parametrize("model", [model for _, _, model in PROCESSES])
def test_every_setting_has_a_meaning(model: type[Settings]) -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > len(model.model_fields)
    assert [row for row in rows if "|  |" in row] == []
