"""The record kinds: portions, persons, labels to start from, and every field by its standard."""

import json
import random
import string
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError
from stdnum import iso6346

from schemas.codes import Caveat, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records import KINDS, bears_persons, fields
from schemas.records.asset_seizure import Asset
from schemas.records.fields import icao_check_digit
from schemas.records.information_request import TIME_LIMITS, InformationRequestBase, Urgency
from schemas.records.information_response import InformationResponseBase, Refusal
from schemas.records.joint_operation import JointOperationBase
from schemas.records.kind import Person
from schemas.records.officer_deployment import OfficerDeploymentBase
from schemas.records.particulars import Account, Document, Item, Money, Place

AT = datetime(2026, 9, 21, tzinfo=UTC)

#: kind -> its portions; those that bear persons with a star.
PORTIONS = {
    "smuggling_route": "base sources",
    "organised_group": "base persons* financial sources",
    "travel_document": "base persons* sources",
    "concealment_method": "base sources",
    "expertise": "base",
    "technical_information": "base sources",
    "boat_supply": "base persons* financial sources",
    "online_advert": "base referral persons* removal",
    "asset_seizure": "base financial persons*",
    "return_case": "base persons*",
    "debrief": "base persons* sources",
    "information_request": "base persons*",
    "information_response": "base* sources",
    "joint_operation": "base persons* sources",
    "officer_deployment": "base",
}
TOPICS = {
    "smuggling_route": "a",
    "organised_group": "b",
    "travel_document": "c",
    "concealment_method": "d",
    "expertise": "e",
    "technical_information": "f",
    "boat_supply": "a",
}
EVERY = [(kind, name) for kind, spec in KINDS.items() for name in spec.portions]

#: field -> values that its standard allows, and values that it does not.
FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Born": (("1990", "1990-05-17", "2000-02-29"), ("90", "1990-5-17", "1990-02-30", "0000", "1990-05-17 ", "١٩٩٠")),
    "Language": (("en", "vi"), ("EN", "eng", "")),
    "Locode": (("FRDKK", "XAAB2"), ("frdkk", "FRDK1", "ZZABC", "QQABC", "FRDKKK")),
    "Url": (
        ("https://social.example/p/1",),
        (
            "http://social.example/p/1",
            "https://user@social.example/p",
            "https://social.example:8443/p",
            "https://social.example/p?q=1",
            "https://localhost/p",
            "https://social.example/p\n",
            "javascript:alert(1)",
        ),
    ),
    "Phone": (("+99912345678", "+447700900123"), ("0044770090", "+0123456789", "+4477009001234567", "+44 7700900123")),
    "Imei": (("490154203237518",), ("490154203237519", "49015420323751", "49-015420-323751-8", "4901542032375180")),
    "Iban": (
        ("GB33BUKB20201555555555", "DE89370400440532013000", "IT60X0542811101000000123456"),
        ("GB34BUKB20201555555555", "GB33 BUKB 2020 1555 5555 55", "XA33BUKB20201555555555", "gb33BUKB20201555555555"),
    ),
    "Bic": (("BUKBGB22", "DEUTDEFF500"), ("BUKBGB2", "BUKBXA22", "bukbgb22")),
    "AccountNumber": (("12345678",), ("123", "1234-5678")),
    "Container": (("CSQU3054383", "ABCU1234560"), ("CSQU3054384", "ABCU1234567", "CSQ3054383", "CSQU 305438 3")),
    "Imo": (("9319466",), ("9319467", "931946", "IMO 9319466")),
    "Hin": (("GB-ABC00042A326", "XA-ABC12345L926"), ("GB-ABC00042M326", "GBABC00042A326", "QQ-ABC00042A326")),
    "Vin": (("1M8GDM9AXKP042788",), ("1M8GDM9AXKPO42788", "1M8GDM9AXKP04278")),
    "Plate": (("AB12 CDE", "XA-1234"), ("A", "ab12 cde", " AB12")),
    "Serial": (("OB-12345-7", "HULL-0001"), ("ob-12345", "AB1", "-AB12")),
    "DocumentNumber": (("L898902C3",), ("L898902C<", "l898902c3", "L89")),
    "CaseReference": (("GB-2026/0042",), ("X", "gb-2026")),
    "Currency": (("EUR", "JPY", "VND"), ("eur", "EURO", "XXA", "DEM")),
    "AgencyName": (("gb-nca",), ("NCA", "gb_nca")),
    "Post": (("gb-nca/liaison-xa",), ("gb-nca", "gb-nca/")),
}  # fmt: skip


def test_every_kind_has_its_portions_and_its_topic() -> None:
    assert list(KINDS) == [str(kind) for kind in Kind] == list(PORTIONS)
    for kind, spec in KINDS.items():
        assert spec.kind == kind
        assert spec.title
        marked = {name.rstrip("*"): name.endswith("*") for name in PORTIONS[kind].split()}
        assert {str(name): bears_persons(kind, name) for name in spec.portions} == marked
        assert spec.topic == TOPICS.get(kind)
    with pytest.raises(KeyError):
        bears_persons("boat_supply", "referral")


@pytest.mark.parametrize("kind, name", EVERY)
def test_the_label_to_start_from_is_one_that_can_be_shared(kind: str, name: PortionName) -> None:
    spec = KINDS[kind].portion(name)
    start = spec.start
    assert start.purposes, "a portion without a purpose is not shared"
    assert len(set(start.purposes)) == len(start.purposes)
    assert start.handling_codes
    assert 0 < start.retain_days <= 3650
    if spec.bears_persons:
        assert start.tlp not in {Tlp.GREEN, Tlp.CLEAR}
        assert set(start.purposes) != {Purpose.EXPERTISE}
        assert start.retain_days <= 365
    if name is PortionName.SOURCES:
        assert Caveat.ORCON in start.caveats
    if name is PortionName.REFERRAL:
        assert Purpose.TAKEDOWN in start.purposes
        assert not start.caveats


@pytest.mark.parametrize("kind, name", EVERY)
def test_content_is_frozen_and_closed(kind: str, name: PortionName) -> None:
    content = KINDS[kind].portion(name).content
    assert content.__doc__
    assert content.model_config["frozen"]
    with pytest.raises(ValidationError, match="extra_forbidden"):
        content.model_validate({"nobody_knows": 1})


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_takes_what_its_standard_allows_and_nothing_else(field: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(getattr(fields, field))
    good, bad = FIELDS[field]
    for value in good:
        assert adapter.validate_python(value) == value
        assert adapter.validate_json(json.dumps(value)) == value
    for value in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_a_containers_check_digit_is_that_of_the_standard() -> None:
    container, source = TypeAdapter[str](fields.Container), random.Random("containers")
    for _ in range(500):
        letters = "".join(source.choices(string.ascii_uppercase, k=3)) + source.choice("UJZR")
        body = f"{letters}{source.randrange(10**6):06}"
        for digit in range(10):
            if iso6346.is_valid(f"{body}{digit}"):
                assert container.validate_python(f"{body}{digit}") == f"{body}{digit}"
            else:
                with pytest.raises(ValidationError):
                    container.validate_python(f"{body}{digit}")
    with pytest.raises(ValidationError):  # the fourth letter says what it is: U, J, Z or R
        container.validate_python("CSQA3054383")


def test_instants_are_utc() -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(fields.Instant)
    assert adapter.validate_json('"2026-09-21T00:00:00Z"') == AT
    for value in (AT.replace(tzinfo=None), AT.astimezone(timezone(timedelta(hours=1)))):
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize(
    "number, digit", [("L898902C3", "6"), ("D23145890734", "9"), ("740812", "2"), ("ZE184226B<<<<<", "1")]
)
def test_check_digits_are_those_of_the_document_standard(number: str, digit: str) -> None:
    """The specimens of ICAO Doc 9303-3 and 9303-4."""
    assert icao_check_digit(number) == digit


PLACE: dict[str, object] = {"name": "Dunkerque", "state": "FR", "locode": "FRDKK"}
REQUEST = {
    "reference": "GB-2026/0042",
    "urgency": "normal",
    "question": "Is the engine known?",
    "offence": "facilitation",
    "reasons": "It was sold there.",
    "languages": ["en"],
    "asked_at": AT,
}
RESPONSE = {"request": "GB-2026/0042", "outcome": "hit", "answer": "It is known.", "answered_at": AT}
OPERATION = {
    "name": "Operation Example",
    "summary": "Patrols",
    "type": "joint_patrol",
    "lead": "fr-oltim",
    "states": ["FR", "GB"],
    "begins": AT,
    "ends": AT + timedelta(days=2),
}
DEPLOYMENT = {
    "summary": "A post",
    "post": "gb-nca/liaison-xa",
    "home": "gb-nca",
    "posting_state": "XA",
    "starts": AT,
    "ends": AT + timedelta(days=200),
    "powers": ["advise"],
}

#: model, what it takes, and changes that it refuses with words.
MODELS: list[tuple[type[Model], dict[str, object], list[tuple[dict[str, object], str]]]] = [
    (
        Place,
        PLACE,
        [
            ({"state": "GB"}, "locode of the state"),
            ({"latitude": 51.0}, "latitude and longitude"),
            ({"latitude": 91, "longitude": 0}, "less than or equal to 90"),
        ],
    ),
    (
        Money,
        {"amount": Decimal("1200.50"), "currency": "EUR"},
        [
            ({"currency": "JPY"}, "0 decimal places"),
            ({"amount": -1}, "greater than"),
            ({"amount": "NaN"}, "finite"),
        ],
    ),
    (
        Account,
        {"iban": "DE89370400440532013000"},
        [({"number": "12345678"}, "not both"), ({"iban": None}, "not both")],
    ),
    (
        Document,
        {"type": "passport", "issuer": "XA", "number": "L898902C3", "check_digit": "6"},
        [({"check_digit": "7"}, "check digit"), ({"issuer": "QQ"}, "issuer")],
    ),
    (
        Item,
        {"what": "hull", "maker": "M", "serial": "HULL-0001", "count": 1, "hin": "GB-ABC00042A326"},
        [({"what": "pump"}, "hulls only"), ({"count": 0}, "greater than")],
    ),
    (
        Asset,
        {
            "what": "phone",
            "description": "A phone",
            "value": {"amount": 80, "currency": "EUR"},
            "imei": "490154203237518",
        },
        [({"what": "boat"}, "imei with a phone"), ({"vin": "1M8GDM9AXKP042788"}, "vin with a vehicle")],
    ),
    (
        Person,
        {"name": "N", "role": "driver", "nationality": "XB", "category": "suspect"},
        [
            ({"category": "migrant"}, "category"),
            ({"nationality": "QQ"}, "nationality"),
            ({"phone": "1"}, "phone"),
        ],
    ),
    (
        InformationRequestBase,
        REQUEST,
        [
            ({"urgency": "urgent_direct"}, "reasons for urgency"),
            ({"urgent_because": "x"}, "reasons for urgency"),
        ],
    ),
    (
        InformationResponseBase,
        RESPONSE,
        [
            ({"outcome": "refused"}, "reason with a refusal"),
            ({"refused_because": Refusal.INACCURATE}, "nothing else"),
        ],
    ),
    (JointOperationBase, OPERATION, [({"ends": AT}, "before the end"), ({"states": []}, "at least 1")]),
    (
        OfficerDeploymentBase,
        DEPLOYMENT,
        [({"home": "gb-bf"}, "post of the home agency"), ({"ends": AT}, "before the end")],
    ),
]


@pytest.mark.parametrize("model, good, bad", MODELS, ids=[m[0].__name__ for m in MODELS])
def test_what_belongs_together_must_fit(
    model: type[Model], good: dict[str, object], bad: list[tuple[dict[str, object], str]]
) -> None:
    made = model.model_validate(good)
    assert model.model_validate_json(made.model_dump_json()) == made
    for change, words in bad:
        with pytest.raises(ValidationError, match=words):
            model.model_validate(good | change)


def test_the_time_limits_are_those_of_the_directive() -> None:
    assert TIME_LIMITS[Urgency.URGENT_DIRECT] == timedelta(hours=8)
    assert TIME_LIMITS[Urgency.URGENT_INDIRECT] == timedelta(days=3)
    assert TIME_LIMITS[Urgency.NORMAL] == timedelta(days=7)
    assert len(TIME_LIMITS) == len(Urgency)
