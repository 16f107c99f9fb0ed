"""An arrangement's folder with an error: file, line, field and what was expected."""

import shutil
from pathlib import Path

import pytest

from deploy.arrangements import SHIPPED, ArrangementError, read_arrangement, spread
from schemas.codes import State


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / "g7-small", tmp_path / "mine"))


def errors(folder: Path) -> list[str]:
    """The lines of the error that reading must end in, without the folder."""
    with pytest.raises(ArrangementError) as caught:
        read_arrangement(folder)
    assert str(caught.value) == "\n".join(caught.value.errors)
    assert all(line.startswith(f"{folder}/") for line in caught.value.errors)
    assert all("\n" not in line for line in caught.value.errors)
    return [line.removeprefix(f"{folder}/") for line in caught.value.errors]


def change(folder: Path, old: str, new: str, file: str = "directory.yaml") -> int:
    """Replace the first `old`; the line that it stood in."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_shipped_arrangement_is_read(folder: Path) -> None:
    found = read_arrangement(folder)
    assert (found.federation, found.threshold) == ("g7-small", 3)
    assert len(found.directory.agencies) == 5
    assert all(name.startswith("sharing/") for name in found.policies)
    assert found.policies.keys() == {rule.file for rule in found.policy.rules.values()}
    assert found.schema_text == (folder / "schema.cedarschema").read_text()


@pytest.mark.parametrize(
    "old, new, line_offset, field, expected",
    [
        ("role: police", "role: polis", 0, "agencies[0].role", "Input should be 'police', 'border'"),
        ("role: police", "roll: police", 0, "agencies[0].roll", "there is no such field"),
        ("    role: police\n", "", -2, "agencies[0].role", "this field is missing"),
        ("states: [GB]", "states: [UK]", 0, "agencies[0].states[0]", "codes), found 'UK'"),
        ("states: [GB]", "states: GB", 0, "agencies[0].states", "valid frozenset"),
        ("id: gb-nca", "id: NCA", 0, "agencies[0].id", "should match pattern"),
        ("threshold: 3", "threshold: many", 0, "threshold", "valid integer, unable to parse string"),
        ("threshold: 3", "threshold: 0", 0, "threshold", "greater than or equal to 1, found 0"),
        ("threshold: 3", "threshold: 6", 0, "threshold", "at most the number of agencies, 5, found 6"),
        ("threshold: 3\n", "", None, "threshold", "this field is missing"),
        ("federation: g7-small", "federation: G7", 0, "federation", "should match pattern"),
        ("posted_to: XA", "posted_to: Atlantis", 0, "officers[0].posted_to", "codes), found 'Atlantis'"),
        ("start: 2026-01-01T00:00:00Z", "start: 2026-01-01T00:00:00", 0, "officers[0].start", "timezone"),
        ("start: 2026-01-01T00:00:00Z", "start: soon", 0, "officers[0].start", "valid datetime"),
        (
            "start: 2026-01-01T00:00:00Z",
            "start: 2037-01-01T00:00:00Z",
            -2,
            "officers[0]",
            "start must be before end",
        ),
        ("id: fr-oltim", "id: gb-nca", 0, "the file", "agency id 'gb-nca' stands twice"),
        ("host: fr-oltim", "host: fr-gone", 0, "the file", "'fr-gone' is no agency of this directory"),
        ("agency: it-pds", "agency: it-gone", 0, "the file", "'it-gone' is no agency of this directory"),
        ("id: g7-network", "id: jit-channel", 0, "the file", "community id 'jit-channel' stands twice"),
        ("threshold: 3", "threshold: 3\nthreshold: 4", 1, "threshold", "stands twice; first in line"),
        ("    name: National", "    name: x\n    name: National", 1, "agencies[0].name", "stands twice"),
        ("name: National Crime Agency", "name: !!python/object:os.x y", 0, "agencies[0].name", "the tag '"),
        (
            "states: [FR]",
            "states: &here [FR]\n    exposed_states: *here",
            0,
            "agencies[1].exposed_states",
            "an alias",
        ),
    ],
)
def test_an_error_names_line_field_and_expectation(
    folder: Path, old: str, new: str, line_offset: int | None, field: str, expected: str
) -> None:
    line = change(folder, old, new)
    found = errors(folder)
    place = "" if line_offset is None else f"{line + line_offset}:"
    assert any(
        e.startswith(f"directory.yaml:{place}") and f" {field}: " in e and expected in e for e in found
    ), found


def test_all_errors_are_told_at_once(folder: Path) -> None:
    lines = [change(folder, "threshold: 3", "threshold: x"), change(folder, "role: platform", "role: pirate")]
    found = errors(folder)
    assert [e.split(":")[1] for e in found] == [str(line) for line in lines]


def test_norway_is_a_state_and_no_truth(folder: Path) -> None:
    change(folder, "states: [FR]", "states: [NO]")
    assert read_arrangement(folder).directory.agency("fr-oltim").states == {State("NO")}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("agencies: [", "directory.yaml:1:12: no valid YAML"),
        ("a: b: c", "directory.yaml:1:5: no valid YAML"),
        ("- a\n", "directory.yaml:1: expected one mapping"),
        ("", "directory.yaml:1: expected one mapping"),
        ("a: 1\n---\nb: 2\n", "directory.yaml:1: expected one mapping"),
        ("? [a]\n: 1\n", "directory.yaml:1: the file: a field's name is one word"),
        ("a: \x00", "directory.yaml: no valid YAML"),
    ],
)
def test_what_is_no_mapping_of_fields_is_refused(folder: Path, text: str, expected: str) -> None:
    (folder / "directory.yaml").write_text(text)
    assert errors(folder)[0].startswith(expected)


def test_a_bad_rule_is_an_error_of_the_arrangement(folder: Path) -> None:
    line = change(folder, "principal.suspended", "principal.suspnded", "sharing/partners.cedar")
    (error,) = errors(folder)
    assert error.startswith("sharing/partners.cedar:")
    assert "rule 'suspended'" in error
    assert "the unknown attribute 'principal.suspnded'" in error
    change(folder, "principal.suspnded }", "principal. }", "sharing/partners.cedar")
    assert errors(folder)[0].startswith(f"sharing/partners.cedar:{line}:19: rule 'suspended'")


def test_a_bad_schema_is_an_error_of_the_arrangement(folder: Path) -> None:
    line = change(folder, '"AMBER", ', "", "schema.cedarschema")
    shown = 'entity Tlp enum ["RED", "AMBER+STRICT", "GREEN", "CLEAR"];'
    assert errors(folder) == [f"schema.cedarschema:{line}: closed list 'Tlp' lacks 'AMBER' | {shown}"]


@pytest.mark.parametrize("gone", ["directory.yaml", "schema.cedarschema"])
def test_a_missing_file_is_named(folder: Path, gone: str) -> None:
    (folder / gone).unlink()
    assert errors(folder) == [f"{gone}: cannot be read: No such file or directory"]


def test_rules_are_only_in_files_that_are_read(folder: Path) -> None:
    (folder / "sharing" / "more.txt").write_text("")
    (folder / "sharing" / "old").mkdir()
    assert errors(folder) == [
        f"sharing/{name}: expected only *.cedar files here" for name in ("more.txt", "old")
    ]
    shutil.rmtree(folder / "sharing")
    assert errors(folder) == ["sharing: expected a folder of *.cedar files"]


def test_cases_are_text_by_file_name_and_may_be_absent(folder: Path) -> None:
    written = {f"cases/{path.name}": path.read_text() for path in (folder / "cases").iterdir()}
    assert written
    assert read_arrangement(folder).cases == written
    shutil.rmtree(folder / "cases")
    assert read_arrangement(folder).cases == {}


def test_cases_are_only_in_files_that_are_read(folder: Path) -> None:
    (folder / "cases" / "more.yml").write_text("")
    assert errors(folder) == ["cases/more.yml: expected only *.yaml files here"]
    shutil.rmtree(folder / "cases")
    (folder / "cases").write_text("")
    assert errors(folder) == ["cases: expected a folder of *.yaml files"]


def test_text_that_is_not_utf_8_has_its_line(folder: Path) -> None:
    (folder / "directory.yaml").write_bytes(b"federation: g7\nname: caf\xe9\n")
    assert errors(folder) == ["directory.yaml:2: expected UTF-8 text"]


def test_lanes_are_spread_over_shards_in_the_order_of_their_ids(folder: Path) -> None:
    source = read_arrangement(folder).directory
    two = spread(source, 2)
    assert [two.shard_of(lane) for lane in two.agency_ids] == [0, 1, 0, 1, 0]
    assert (two.shards, two.partitions) == ((0, 1), 2)
    assert spread(spread(source, 3), 1) == spread(source, 1)
    for wrong in (0, 6):
        with pytest.raises(ArrangementError, match=f"expected 1 to 5 shards, .*found {wrong}"):
            spread(source, wrong)
