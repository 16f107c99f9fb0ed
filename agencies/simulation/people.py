"""People: names and details as in their state, and which people stand in a kind of record.

- Names come from Faker's lists of the state's language, written in its own script; Albanian ones from a list here.
  First and family names are drawn apart, so nobody's name is looked for, and a namesake is an accident.
- A Faker is made once a language and process, and seeded anew for every identity.
- In a *cast* each part says what a person is in a record: category, ground of protection, state of origin.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final, Literal, NamedTuple

from faker import Faker

from agencies.simulation import numbers
from schemas.codes import UNKNOWN_STATE, Kind, ProtectionGround, State, SubjectCategory
from schemas.records.kind import Person
from schemas.records.particulars import Document

Sex = Literal["F", "M"]

#: XA is a state of Arabic and XB one of Vietnamese names.
LOCALES: Final = {
    "XA": "ar_AA",
    "XB": "vi_VN",
    "FR": "fr_FR",
    "IT": "it_IT",
    "JP": "ja_JP",
    "DE": "de_DE",
    "AT": "de_AT",
    "NL": "nl_NL",
    "US": "en_US",
    "CA": "fr_CA",
    "GB": "en_GB",
    "IE": "en_IE",
}
_ALBANIAN: Final[dict[str, str]] = {
    "F": "Ardita Blerina Dorina Elira Fatjona Gentiana Jonida Kaltrina Lindita Mimoza Odeta Rudina Teuta Vjollca Zana",
    "M": "Agron Arben Besnik Dritan Erion Fatos Gëzim Ilir Kreshnik Lulzim Mentor Përparim Shpëtim Taulant Valon",
    "family": "Basha Çela Dervishi Gjoka Hysa Kola Krasniqi Leka Marku Prifti Qosja Shehu Tahiri Xhafa Ymeri Zeqiri",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who does not exist. `latin`: the name in plain Latin letters, where that differs and is known."""

    name: str
    latin: str | None
    born: str
    sex: Sex
    state: State
    document: Document
    phone: str
    imei: str


class Part(NamedTuple):
    """What a person is in a record. `state` ZZ: nobody knows where they come from."""

    category: SubjectCategory
    ground: ProtectionGround | None
    state: State


@cache
def _faker(locale: str) -> Faker:
    return Faker(locale, providers=["faker.providers.person"])


def identity(random: Random, state: State, *, minor: bool = False) -> Identity:
    """A person of the state; a minor is one in the years in which scenarios play."""
    sex: Sex = random.choice(("F", "M"))
    name, latin = _name(random, state, sex)
    year = random.randrange(2011, 2022) if minor else random.randrange(1958, 2006)
    born = f"{year}-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
    document = numbers.document(random, state, seeking=minor)
    return Identity(
        name, latin, born, sex, state, document, numbers.phone(random, state), numbers.imei(random)
    )


def _name(random: Random, state: State, sex: Sex) -> tuple[str, str | None]:
    if state == "AL":
        return f"{random.choice(_ALBANIAN[sex].split())} {random.choice(_ALBANIAN['family'].split())}", None
    fake = _faker(LOCALES.get(state, "en_GB"))
    fake.seed_instance(random.getrandbits(64))
    given = fake.first_name_female() if sex == "F" else fake.first_name_male()
    match state:
        case "JP":
            first = fake.first_name_female_pair() if sex == "F" else fake.first_name_male_pair()
            last = fake.last_name_pair()
            return f"{last[0]} {first[0]}", f"{last[2]} {first[2]}"
        case "XB":
            name = f"{fake.last_name()} {fake.middle_name()} {given}"
            return name, _unmarked(name)
        case _:
            return f"{given} {fake.last_name()}", None


def _unmarked(name: str) -> str:
    """Latin letters without marks, as machine-readable documents have them (ICAO Doc 9303-3, 6)."""
    plain = name.replace("Đ", "D").replace("đ", "d")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


_SUSPECT, _CONVICTED = SubjectCategory.SUSPECT, SubjectCategory.CONVICTED
_VICTIM, _OTHER, _UNKNOWN = SubjectCategory.VICTIM, SubjectCategory.OTHER_PARTY, SubjectCategory.UNKNOWN
_SEEKS, _MINOR = ProtectionGround.SEEKING_PROTECTION, ProtectionGround.MINOR

_Weighted = tuple[tuple[int, SubjectCategory, ProtectionGround | None], ...]
_OFFENDERS: Final[_Weighted] = ((8, _SUSPECT, None), (3, _CONVICTED, None), (1, _UNKNOWN, None))
_ASKED: Final[_Weighted] = ((6, _SUSPECT, None), (2, _OTHER, None), (1, _OTHER, _SEEKS), (1, _UNKNOWN, None))
_CARRIED: Final[_Weighted] = (
    (6, _OTHER, _SEEKS),
    (4, _VICTIM, ProtectionGround.VICTIM),
    (3, _OTHER, _MINOR),
    (1, _VICTIM, _MINOR),
    (2, _OTHER, None),
    (1, _UNKNOWN, None),
)
#: kind -> who stands in its persons portion, by weight; the first is what is usual.
CASTS: Final[dict[Kind, _Weighted]] = {
    Kind.ORGANISED_GROUP: _OFFENDERS,
    Kind.JOINT_OPERATION: _OFFENDERS,
    Kind.ONLINE_ADVERT: ((8, _SUSPECT, None), (2, _UNKNOWN, None)),
    Kind.BOAT_SUPPLY: ((8, _SUSPECT, None), (2, _OTHER, None), (1, _CONVICTED, None)),
    Kind.ASSET_SEIZURE: ((6, _SUSPECT, None), (3, _CONVICTED, None), (2, _OTHER, None)),
    Kind.TRAVEL_DOCUMENT: (
        (4, _SUSPECT, None),
        (4, _OTHER, _SEEKS),
        (1, _OTHER, _MINOR),
        (1, _UNKNOWN, None),
    ),
    Kind.RETURN_CASE: ((5, _CONVICTED, None), (4, _OTHER, None), (3, _OTHER, _SEEKS), (1, _OTHER, _MINOR)),
    Kind.DEBRIEF: _CARRIED,
    Kind.INFORMATION_REQUEST: _ASKED,
    Kind.INFORMATION_RESPONSE: _ASKED,
}
_ORIGINS: Final = {
    True: ("XA XB ZZ", (10, 7, 1)),
    False: ("XA XB AL FR IT GB DE JP", (6, 5, 4, 2, 2, 2, 1, 1)),
}

_ROLES: Final[dict[tuple[SubjectCategory, bool], str]] = {
    (
        _SUSPECT,
        False,
    ): "organiser,recruiter,driver,boat handler,money handler,seller,forger,account holder,lookout",
    (_CONVICTED, False): "organiser,driver,boat handler,money handler,forger",
    (_VICTIM, True): "victim of violence,victim of trafficking,survivor of a sinking",
    (_VICTIM, False): "victim of extortion,victim of violence",
    (_OTHER, True): "passenger,witness,relative of a passenger,applicant for asylum",
    (_OTHER, False): "witness,landlord,contact,relative,owner of the goods,person under a return decision",
    (_UNKNOWN, False): "role not established,name in a telephone,present at the place",
}


def drawn_cast(random: Random, kind: Kind) -> tuple[Part, ...]:
    """Who stands in a record of the kind: one to three people, of one state more often than not."""
    options = CASTS.get(kind, _OFFENDERS)
    parts: list[Part] = []
    for category, ground in random.choices(
        [o[1:] for o in options], [o[0] for o in options], k=random.choice((1, 1, 1, 2, 3))
    ):
        if parts and random.random() < 0.85:
            state = parts[0].state
        else:
            codes, weights = _ORIGINS[ground is not None or category in {_VICTIM, _UNKNOWN}]
            state = State(random.choices(codes.split(), weights)[0])
        parts.append(Part(category, ground, state))
    return tuple(parts)


def person(random: Random, who: Identity, part: Part, note: str | None) -> Person:
    """The person as a record tells of them: never more than is known, and not always as much."""
    roles = _ROLES.get((part.category, part.ground is not None)) or _ROLES[part.category, False]
    known = part.state != UNKNOWN_STATE
    protected = part.ground is not None or part.category is _VICTIM
    return Person(
        name=who.name,
        latin=who.latin,
        born=who.born if random.random() < 0.7 else who.born[:4],
        sex=who.sex,
        nationality=part.state if known else None,
        role="unaccompanied minor" if part.ground is _MINOR else random.choice(roles.split(",")),
        category=part.category,
        basis="fact" if part.category is _CONVICTED or random.random() < 0.5 else "assessment",
        document=who.document if known and random.random() < 0.5 else None,
        phone=who.phone if not protected and random.random() < 0.6 else None,
        imei=who.imei if not protected and random.random() < 0.3 else None,
        note=note,
    )
