"""Labels: a code that nobody knows is told from bytes that are no label, and a set has one array."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from agencies.sealing import ClosedRecord
from broker.lane import fold
from schemas.codes import HandlingCode, SubjectCategory
from schemas.envelope import PortionSlot
from schemas.labels import (
    Routing,
    UnknownCode,
    handling_bytes,
    home_of,
    ordered,
    parse_handling,
    parse_routing,
    retain_until,
    retention_date,
    routing_bytes,
)
from schemas.ledger import Admitted, Quarantined
from schemas.verdicts import Refused
from tests.support.drafts import handling, plain
from tests.support.federation import leaves, message
from tests.support.forge import reform
from tests.support.members import members
from tests.vectors.scenes import FR, GB

GOOD = handling(subjects=(SubjectCategory.SUSPECT,), origins=("XA",), cleared=True)


@dataclass(frozen=True)
class Field:
    """A field of the label by its place, and what to put there."""

    place: int
    value: object


def with_field(field: Field) -> bytes:
    fields = msgspec.msgpack.decode(handling_bytes(GOOD))
    fields[field.place] = field.value
    return msgspec.msgpack.encode(fields)


CODES = {
    "tlp": Field(0, "BROWN"),
    "handling code": Field(1, ["H9"]),
    "source": Field(2, "Z"),
    "information": Field(3, "9"),
    "purpose": Field(4, ["curiosity"]),
    "subject": Field(5, ["bystander"]),
    "special": Field(6, ["shoe_size"]),
    "caveat": Field(7, ["burn_after_reading"]),
    "ground": Field(8, ["none"]),
    "origin": Field(10, ["XC"]),
    "second of a list": Field(10, ["XA", "xa"]),
}

#: Two values of each set of a label, in their order.
SETS = {
    "handling codes": (1, ["H0", "H1"]),
    "purposes": (4, ["detection", "investigation"]),
    "subjects": (5, ["suspect", "victim"]),
    "special categories": (6, ["biometric", "health"]),
    "caveats": (7, ["law_enforcement_only", "orcon"]),
    "grounds": (8, ["minor", "victim"]),
    "origins": (10, ["XA", "XB"]),
}
ROUTED = {
    "agencies": ["fr-one", "gb-one"],
    "communities": ["crew", "team"],
    "officers": ["fr-one/a", "gb-one/a"],
}
DISORDERS: dict[str, Callable[[list[str]], list[str]]] = {
    "repeated": lambda pair: [pair[0], pair[0]],
    "repeated 64 times": lambda pair: pair[:1] * 64,
    "descending": lambda pair: pair[::-1],
    "repeated at the end": lambda pair: [*pair, pair[1]],
    "back to the first": lambda pair: [*pair, pair[0]],
}

SHAPES = {
    "number for a code": Field(0, 1),
    "text for a list": Field(1, "H1"),
    "code of 41 characters": Field(0, "x" * 41),
    "number for a flag": Field(9, 1),
    "negative date": Field(11, -1),
    "date beyond 100000 days": Field(11, 100_001),
    "text for a date": Field(11, "20000"),
}


def test_a_label_comes_back_as_it_was() -> None:
    assert parse_handling(handling_bytes(GOOD)) == GOOD
    routing = Routing(("gb-one",), ("team",), ("gb-one/desk",))
    assert parse_routing(routing_bytes(routing)) == routing


def test_two_encodings_of_one_label_are_one_label() -> None:
    """MessagePack has 20000 in three bytes and in five: neither is taken for the other's, and both mean the same."""
    short = handling_bytes(msgspec.structs.replace(GOOD, retain_until=20_000))
    assert short.endswith(b"\xcd\x4e\x20")
    long = short[:-3] + b"\xce\x00\x00\x4e\x20"
    for data in (short, long, short, long):
        assert parse_handling(data) == msgspec.structs.replace(GOOD, retain_until=20_000)
    for _ in range(2):  # nor is what is no label remembered as one
        with pytest.raises(UnknownCode):
            parse_handling(with_field(CODES["tlp"]))
        with pytest.raises(msgspec.DecodeError):
            parse_handling(long[:-1])


@pytest.mark.parametrize("what", CODES)
def test_an_unknown_code_is_named_as_such(what: str) -> None:
    with pytest.raises(UnknownCode):
        parse_handling(with_field(CODES[what]))


@pytest.mark.parametrize("what", SHAPES)
def test_a_wrong_shape_is_no_unknown_code(what: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        parse_handling(with_field(SHAPES[what]))


def test_a_wrong_shape_weighs_more_than_an_unknown_code() -> None:
    fields = msgspec.msgpack.decode(with_field(CODES["tlp"]))
    with pytest.raises(msgspec.ValidationError):
        parse_handling(msgspec.msgpack.encode([*fields, 1]))


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x9c", handling_bytes(GOOD)[:-1], handling_bytes(GOOD) + b"\0"]
)
def test_broken_bytes_are_no_label(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse_handling(data)
    with pytest.raises(msgspec.DecodeError):
        parse_routing(data)


@pytest.mark.parametrize("disorder", DISORDERS)
@pytest.mark.parametrize("what", SETS)
def test_a_set_of_the_handling_has_one_array(what: str, disorder: str) -> None:
    place, pair = SETS[what]
    parse_handling(with_field(Field(place, pair)))
    with pytest.raises(msgspec.ValidationError, match="strictly ascending"):
        parse_handling(with_field(Field(place, DISORDERS[disorder](pair))))


@pytest.mark.parametrize("disorder", DISORDERS)
@pytest.mark.parametrize("what", ROUTED)
def test_a_set_of_the_routing_has_one_array(what: str, disorder: str) -> None:
    def routing(values: list[str]) -> bytes:
        return msgspec.msgpack.encode([values if name == what else [] for name in ROUTED])

    parse_routing(routing(ROUTED[what]))
    with pytest.raises(msgspec.ValidationError, match="strictly ascending"):
        parse_routing(routing(DISORDERS[disorder](ROUTED[what])))


def test_an_unknown_code_weighs_more_than_the_order() -> None:
    with pytest.raises(UnknownCode):
        parse_handling(with_field(Field(10, ["XB", "XA", "XC"])))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: msgspec.structs.replace(s, routing=routing_bytes(Routing((FR,) * 256, (), ()))),
        lambda s: msgspec.structs.replace(
            s, handling=handling_bytes(handling(origins=("XB", "XA"), subjects=(SubjectCategory.SUSPECT,)))
        ),
    ],
    ids=["routing", "handling"],
)
def test_admission_refuses_a_sealed_label_with_a_disordered_set(
    change: Callable[[PortionSlot], PortionSlot],
) -> None:
    m = members()

    def window(change: Callable[[PortionSlot], PortionSlot]) -> bytes:
        sealer = m.sealer(GB)
        closed: ClosedRecord = sealer.close_record(plain(1, FR), 1)
        changed = reform(m.domains, closed, portions=[change(s) for s in closed.portions])
        return sealer.seal_window([changed], (), 1)

    (good,) = leaves(fold(m.lane(GB), [message(window(lambda s: s), 0)], m.versions))
    assert isinstance(good, Admitted)
    (leaf,) = leaves(fold(m.lane(GB), [message(window(change), 0)], m.versions))
    assert isinstance(leaf, Quarantined)
    assert leaf.reason is Refused.MALFORMED


def test_a_set_is_written_sorted_and_once() -> None:
    assert ordered([HandlingCode.H2, HandlingCode.H0, HandlingCode.H2]) == (HandlingCode.H0, HandlingCode.H2)


def test_days_and_homes() -> None:
    assert retain_until(86_400_000 * 10 + 5, 3) == 13
    assert retention_date(0) == "1970-01-01"
    assert home_of("gb-one/desk") == "gb-one"
