"""The page of the wire format against the code, both ways: what one says and the other does not is an error."""

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec import inspect
from pydantic import BaseModel

import broker.admission
import broker.lane
import broker.versions
import schemas
from agencies import judging
from agencies.sealing import pad
from schemas import (
    arrangement,
    canonical,
    capsules,
    clearance,
    clock,
    codes,
    controls,
    directory,
    envelope,
    frames,
    ids,
    merkle,
    topics,
    verdicts,
)
from schemas import history as signed
from schemas.canonical import Domains, enc
from schemas.ids import AgencyId
from schemas.labels import _HandlingShape
from schemas.records import KINDS
from tests.support import page
from tests.vectors.contents import FILE as CONTENTS
from tests.vectors.contents import contents_schema
from tests.vectors.keys import FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "wire-format.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {section.title: section for section in page.sections(TEXT)}


def chapter(number: int) -> page.Section:
    (found,) = (s for title, s in SECTIONS.items() if title.startswith(f"{number} "))
    return found


def modules() -> Iterator[ModuleType]:
    """Where what travels over Kafka is defined; what services say over HTTP is in their own documents."""
    for found in pkgutil.walk_packages(schemas.__path__, "schemas."):
        if not found.name.startswith(("schemas.http", "schemas.logs")):
            yield importlib.import_module(found.name)
    yield broker.lane


def defined(base: type) -> dict[str, Any]:
    return {
        name: value
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    }


def test_headings_are_different() -> None:
    titles = [section.title for section in page.sections(TEXT)]
    assert len(titles) == len(set(titles))


# -- frames --------------------------------------------------------------------------------------------------

#: Not a frame of its own: it tells an unknown code from broken bytes, as section 7 says.
SHAPES = {_HandlingShape.__name__}
FRAMES = {
    name: found
    for name, found in defined(msgspec.Struct).items()
    if found.__struct_config__.array_like and name not in SHAPES
}
FRAME_SECTIONS = {
    title.strip("`"): section
    for title, section in SECTIONS.items()
    if title.startswith("`") and title.endswith("`")
}


def spelt(kind: inspect.Type) -> str:
    """A type as the page spells it."""
    match kind:
        case inspect.StructType() | inspect.EnumType():
            return kind.cls.__name__
        case inspect.BoolType():
            return "bool"
        case inspect.NoneType():
            return "nil"
        case inspect.UnionType():
            return " or ".join(spelt(t) for t in kind.types)
        case inspect.BytesType():
            return "bytes" + span(kind.min_length, kind.max_length)
        case inspect.StrType():
            return "text" + span(kind.min_length, kind.max_length)
        case inspect.VarTupleType():
            return f"array{span(kind.min_length, kind.max_length)} of {spelt(kind.item_type)}"
        case inspect.IntType(ge=None, le=None):
            return "int"
        case inspect.IntType():
            most = "2^63-1" if kind.le == 2**63 - 1 else kind.le
            return "u63" if (kind.ge, most) == (0, "2^63-1") else f"int[{kind.ge}..{most}]"
    raise TypeError(f"a frame has no field of type {kind}")


def span(least: int | None, most: int | None) -> str:
    if least is None and most is None:
        return ""
    return f"[{least}]" if least == most else f"[{'' if least is None else least}..{most}]"


def test_every_frame_stands_on_the_page_and_nothing_else() -> None:
    assert FRAME_SECTIONS.keys() == FRAMES.keys()


@pytest.mark.parametrize("name", FRAMES)
def test_a_frames_fields_types_and_bounds(name: str) -> None:
    frame = FRAMES[name]
    config = frame.__struct_config__
    assert config.forbid_unknown_fields
    info = inspect.type_info(frame)
    assert isinstance(info, inspect.StructType)
    assert all(field.required for field in info.fields)
    tag = [("(tag)", f'"{config.tag}"')] if config.tag else []
    fields = [(field.name, spelt(field.type)) for field in info.fields]
    assert [(page.code(r[0]), page.code(r[1])) for r in FRAME_SECTIONS[name].rows] == tag + fields


# -- closed lists --------------------------------------------------------------------------------------------

#: Of contents alone, where the schema of contents has them.
IN_CONTENTS = {"Urgency", "Refusal"}
LISTS = {name: found for name, found in defined(StrEnum).items() if name not in IN_CONTENTS} | {
    "State": codes.State
}
LIST_SECTIONS = {
    title.removeprefix("Codes ").strip("`"): section
    for title, section in SECTIONS.items()
    if title.startswith("Codes ")
}


def test_every_closed_list_stands_on_the_page_and_nothing_else() -> None:
    assert LIST_SECTIONS.keys() == LISTS.keys()


@pytest.mark.parametrize("name", LISTS)
def test_a_closed_list(name: str) -> None:
    assert LIST_SECTIONS[name].listed == [str(member) for member in LISTS[name]]


def test_kinds_and_their_portions() -> None:
    rows = SECTIONS["Portions of a kind"].rows
    told = {
        page.code(kind): {
            page.codes(portion)[0]: portion.endswith(" (persons)") for portion in cell.split(", ")
        }
        for kind, cell in rows
    }
    assert told == {
        kind: {name: portion.bears_persons for name, portion in spec.portions.items()}
        for kind, spec in KINDS.items()
    }


def test_patterns_of_ids() -> None:
    patterns = {
        "agency": ids.AGENCY_PATTERN,
        "community": ids.COMMUNITY_PATTERN,
        "officer": ids.OFFICER_PATTERN,
        "rule": ids.RULE_PATTERN,
    }
    assert {page.code(name): page.code(pattern) for name, pattern in SECTIONS["Ids"].rows} == patterns


def test_the_committed_schema_of_contents_is_what_the_kinds_say() -> None:
    """If it is not: `python -m tests.vectors.contents`."""
    assert json.loads(CONTENTS.read_text(encoding="utf-8")) == contents_schema()


# -- reasons -------------------------------------------------------------------------------------------------


def reasons(table: list[list[str]]) -> dict[str, set[str]]:
    """Classes by reason."""
    found: dict[str, set[str]] = {}
    for _, _, reason, classes in table:
        for each in page.codes(reason):
            found.setdefault(each, set()).update(classes.split(", "))
    return found


def vectors(folder: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / folder).glob("*.json"))]


def test_every_reason_has_a_step_and_a_class_and_each_vector_is_of_one_of_them() -> None:
    refused = reasons(chapter(12).tables[0])
    unopened = reasons([row for table in chapter(14).tables for row in table])
    assert refused.keys() == {str(reason) for reason in verdicts.Refused}
    assert unopened.keys() == {str(reason) for reason in verdicts.Unopened}
    for folder, told in (("refused", refused), ("unopened", unopened), ("receipts", unopened)):
        for vector in vectors(folder):
            if "reason" in vector:
                assert vector["class"] in told[vector["reason"]], (folder, vector["reason"])


def test_every_class_of_an_arrangement_that_is_not_believed_has_a_vector() -> None:
    told = {
        page.code(row[0])
        for what in ("a version", "a clock change")
        for row in SECTIONS[f"Why {what} is not believed"].rows
    }
    assert {v["class"] for v in vectors("arrangement") if "class" in v} == told


# -- hashing -------------------------------------------------------------------------------------------------


def test_domains() -> None:
    domains = Domains("g7-small")
    told = {page.code(name): page.code(kind) for name, kind, _ in chapter(2).rows}
    text = {
        name: canonical.domain(f"entente/{canonical.FORMAT_VERSION}/g7-small/{kind}")
        for name, kind in told.items()
    }
    constants = {name: value for name, value in vars(domains).items() if name != "federation"}
    assert text == constants
    assert domains.control("receipt") == canonical.domain("entente/1/g7-small/control/receipt")


def test_the_example_of_an_encoding() -> None:
    assert "begins with `00000016` and the 22 bytes of `entente/1/g7-small/dek`" in " ".join(TEXT.split())
    assert enc(Domains("g7-small").dek).hex() == "00000016" + b"entente/1/g7-small/dek".hex()


def test_no_two_domains_are_alike() -> None:
    values = [v for name, v in vars(Domains("g7")).items() if name != "federation"]
    assert len(values) == len(set(values))


# -- messages and limits -------------------------------------------------------------------------------------


def test_prefixes() -> None:
    flat = " ".join(TEXT.split())
    assert (
        f"`{frames.MAGIC.hex()}` (`ENTENTE`), the format's version `{canonical.FORMAT_VERSION:02x}`" in flat
    )
    clock_prefix = signed.CLOCK_PREFIX.removeprefix(frames.PREFIX)
    assert (
        f"a clock change is `{frames.PREFIX.hex()}` `{clock_prefix.hex()}` (`{clock_prefix.decode()}`)"
        in flat
    )
    assert f"prefix `{frames.PREFIX.hex()}` and a `SignedArrangement`" in flat
    assert f"The suite's name, hashed into every seal, is `{arrangement.SUITE}`" in flat


def test_limits() -> None:
    holders = (
        frames,
        topics,
        envelope,
        merkle,
        broker.versions,
        broker.admission,
        capsules,
        clock,
        judging,
    )
    told = {page.code(name): int(page_value) for name, page_value, _ in chapter(21).rows}
    for name, value in told.items():
        (found,) = {vars(module)[name] for module in holders if name in vars(module)}
        assert found == value, name
    bounds = {name for name in vars(frames) if name.isupper() and isinstance(vars(frames)[name], int)}
    assert told.keys() >= bounds - {"FORMAT_VERSION"}


def test_padding() -> None:
    assert "4 + 256 * 2^k" in TEXT
    for size in (0, 1, 255, 256, 257, 1024, 1025):
        least = next(k for k in range(20) if 256 * 2**k >= size)
        padded = pad(b"x" * size)
        assert padded == size.to_bytes(4, "big") + b"x" * size + bytes(256 * 2**least - size)


def test_topics_partitions_clean_up_and_who_may() -> None:
    agency, other = AgencyId("gb-nca"), AgencyId("fr-oltim")
    made = {t.name: t for t in topics.topics((agency, other), 3)}
    grants = topics.acl_table((agency, other), 3)
    names = {"arrangement": "arrangement", "lanes.<shard>": "lanes.1"}
    rows = chapter(4).tables[0]
    assert len({row[0] for row in rows}) == len(rows) == 5
    for topic, partitions, written, read, cleanup, _ in rows:
        template = page.code(topic)
        name = names.get(template) or template.replace("<agency>", agency)
        assert made[name].partitions == {"1": 1, "one a shard": 3}[partitions], topic
        assert dict(made[name].config)["cleanup.policy"] == cleanup, topic
        for words, operation in ((written, "WRITE"), (read, "READ")):
            who: set[str] = set()
            for word in words.split(", "):
                who |= {agency, other} if word == "agencies" else {agency if word == "that agency" else word}
            assert who == {g.principal for g in grants if (g.name, g.operation) == (name, operation)}, topic


# -- the arrangement's body ----------------------------------------------------------------------------------

BODIES: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        arrangement.ArrangementBody,
        arrangement.AgencyKeys,
        arrangement.RetiringKey,
        arrangement.SigningKey,
        arrangement.OpeningKey,
        arrangement.HybridSignature,
        directory.Directory,
        directory.Agency,
        directory.Officer,
        clearance.Clearance,
        directory.Community,
        directory.Membership,
        directory.Suspension,
    )
}
BODY_SECTIONS = {
    title.removeprefix("Body ").strip("`"): section
    for title, section in SECTIONS.items()
    if title.startswith("Body ")
}


def test_every_model_of_the_body_stands_on_the_page_and_nothing_else() -> None:
    assert BODY_SECTIONS.keys() == BODIES.keys()
    reached = set(arrangement.ArrangementBody.model_json_schema()["$defs"])
    closed = {"AgencyRole", "State", "Tlp", "HandlingCode", "SpecialCategory"}
    assert reached - closed == BODIES.keys() - {"ArrangementBody"}


@pytest.mark.parametrize("name", BODIES)
def test_a_models_fields_and_what_their_absence_means(name: str) -> None:
    model = BODIES[name]
    absent = {
        field: "" if info.is_required() else json.dumps(_plain(info.get_default(call_default_factory=True)))
        for field, info in model.model_fields.items()
    }
    told = {page.code(r[0]): r[2].strip("`") for r in BODY_SECTIONS[name].rows}
    assert list(told.items()) == list(absent.items())
    assert model.model_config["extra"] == "forbid"


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


# -- trees ---------------------------------------------------------------------------------------------------


def test_the_root_of_no_leaves_and_a_carried_code() -> None:
    assert hashlib.sha256(b"").digest() == merkle.EMPTY_ROOT
    carried = [page.code(r[0]) for r in LIST_SECTIONS["ControlCode"].rows if r[1] != "reserved"]
    assert set(carried) == {str(code) for code in controls.CARRIED}
