"""The world that records speak of: gangs, engines, accounts, people - shared by all agencies.

- A thing is a function of (seed, sort, slot): whoever writes of `engine-3` writes of the same engine, and an agency,
  an act or a sort more changes no other thing.
- `slot` picks from a pool that is small enough for agencies to meet the same thing without knowing of each other.
- A person's slot may say more: `xa-minor-2` is a minor from XA; without a state it is XA or XB.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import Final

from agencies.simulation import numbers
from agencies.simulation.people import Identity, identity
from agencies.simulation.places import places_of
from schemas.codes import State
from schemas.records.fields import Transport
from schemas.records.particulars import Account, Item, Place

#: sort of thing -> how many of it an unguided record may meet.
POOLS: Final = {
    "gang": 8,
    "route": 10,
    "engine": 60,
    "hull": 40,
    "container": 40,
    "warehouse": 15,
    "vehicle": 40,
    "vessel": 12,
    "phone": 80,
    "account": 50,
    "advert": 50,
    "case": 120,
    "operation": 8,
    "person": 60,
}

_MAKERS: Final = ("Nordmar", "Tidewell", "Lagune Marine", "Meridiana", "Kestrel Outboards", "Hải Long")
_COLOURS: Final = ("Blue", "White", "Black", "Amber", "Silver", "Green", "Copper")
_EMBLEMS: Final = ("Lantern", "Heron", "Anchor", "Compass", "Falcon", "Harbour", "Lotus", "Caravan")
_ALIASES: Final = (
    "the cousins",
    "the Thursday people",
    "Agency Horizon",
    "the ferrymen",
    "Gate Nine",
    "the tailors",
)
_CHAINS: Final = (
    ("XA", "AL", "IT", "FR", "GB"),
    ("XA", "IT", "AT", "DE"),
    ("XA", "IT", "FR", "GB"),
    ("XA", "FR", "GB"),
    ("XB", "DE", "FR", "GB"),
    ("XB", "DE", "NL", "GB"),
    ("XB", "IT", "FR"),
    ("XB", "JP"),
    ("XB", "CA", "US"),
    ("XA", "US"),
)
_BY_SEA: Final = frozenset({("FR", "GB"), ("XA", "IT"), ("XA", "AL"), ("AL", "IT"), ("NL", "GB")})
_OVERSEAS: Final = frozenset({"US", "CA", "JP"})


@dataclass(frozen=True, slots=True)
class Gang:
    """A group, and where it works."""

    name: str
    alias: str
    states: tuple[State, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Device:
    """A telephone and the number in it."""

    number: str
    imei: str


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A road vehicle."""

    words: str
    plate: str
    vin: str


@dataclass(frozen=True, slots=True)
class Vessel:
    """A ship."""

    name: str
    imo: str


@dataclass(frozen=True, slots=True)
class Advert:
    """A post on a platform."""

    url: str
    account: str
    language: str
    price_eur: int
    contact: str
    reference: str


@dataclass(frozen=True, slots=True)
class Hop:
    """A leg of a route."""

    start: Place
    end: Place
    transport: Transport
    fare_eur: int


def pooled(random: Random, sort: str) -> str:
    """The slot of some thing of the sort. Raises: `KeyError` for an unknown sort."""
    return f"{sort}-{random.randrange(POOLS[sort])}"


@lru_cache(maxsize=4)
def world_of(seed: int) -> "World":
    """The scenario's world."""
    return World(seed)


class World:
    """All things of one seed, made when they are first asked for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __repr__(self) -> str:
        return f"World({self._seed})"

    def _random(self, sort: str, slot: str) -> Random:
        return Random(f"{self._seed}/world/{sort}/{slot}")  # noqa: S311  # a simulation wants a seeded generator

    def gang(self, slot: str) -> Gang:
        r = self._random("gang", slot)
        name = f"{r.choice(_COLOURS)} {r.choice(_EMBLEMS)}"
        return Gang(name, r.choice(_ALIASES), tuple(State(s) for s in r.choice(_CHAINS)), r.randrange(5, 80))

    def route(self, slot: str) -> tuple[Hop, ...]:
        """From the state of origin to the last state, leg by leg."""
        r = self._random("route", slot)
        chain = r.choice(_CHAINS)
        stops = [r.choice(places_of(State(state))) for state in chain]
        return tuple(
            Hop(start, end, _transport(r, (start.state, end.state)), r.randrange(300, 4000, 50))
            for start, end in pairwise(stops)
        )

    def engine(self, slot: str) -> Item:
        r = self._random("engine", slot)
        return Item(what="outboard_engine", maker=r.choice(_MAKERS), serial=numbers.serial(r, "OB"), count=1)

    def hull(self, slot: str) -> Item:
        r = self._random("hull", slot)
        hin = numbers.hull(r)
        return Item(what="hull", maker=r.choice(_MAKERS), serial=numbers.serial(r, "HL"), count=1, hin=hin)

    def container(self, slot: str) -> str:
        return numbers.container(self._random("container", slot))

    def warehouse(self, slot: str) -> tuple[str, Place]:
        """What it is called, and the town."""
        r = self._random("warehouse", slot)
        place = r.choice(places_of(State(r.choice(("DE", "NL", "FR", "IT", "AL", "GB")))))
        return f"{r.choice(('Unit', 'Depot', 'Yard', 'Hall'))} {r.randrange(1, 60)}, {place.name}", place

    def vehicle(self, slot: str) -> Vehicle:
        r = self._random("vehicle", slot)
        words = r.choice(("a white van", "a grey van", "a lorry with a curtain side", "a hired estate car"))
        return Vehicle(
            words, numbers.plate(r, State(r.choice(("GB", "FR", "DE", "IT", "AL")))), numbers.vehicle(r)
        )

    def vessel(self, slot: str) -> Vessel:
        r = self._random("vessel", slot)
        return Vessel(
            f"{r.choice(('Stella', 'Nordic', 'Bahr', 'Sông', 'Alba'))} {r.choice(_EMBLEMS)}", numbers.ship(r)
        )

    def phone(self, slot: str) -> Device:
        r = self._random("phone", slot)
        return Device(
            numbers.phone(r, State(r.choice(("GB", "FR", "DE", "XA", "XB", "IT")))), numbers.imei(r)
        )

    def account(self, slot: str) -> Account:
        r = self._random("account", slot)
        return numbers.account(
            r, State(r.choice(("GB", "FR", "DE", "IT", "NL", "AL", "XA", "XB", "US", "JP")))
        )

    def advert(self, slot: str) -> Advert:
        r = self._random("advert", slot)
        contact = numbers.phone(r, State(r.choice(("GB", "FR", "XA", "XB"))))
        return Advert(
            f"https://social.example/{r.choice('pgr')}/{numbers.digits(r, 9)}",
            f"{r.choice(_EMBLEMS).lower()}.{r.choice(('travel', 'visa', 'europe', 'uk'))}{numbers.digits(r, 3)}",
            r.choice(("ar", "ar", "vi", "vi", "sq", "en", "fr")),
            r.randrange(800, 9000, 50),
            contact,
            f"REF-{numbers.digits(r, 6)}",
        )

    def case(self, slot: str) -> str:
        """The reference of a case file, as requests and answers quote it."""
        r = self._random("case", slot)
        return f"{r.choice(('GB', 'FR', 'IT', 'DE', 'EU'))}-{r.randrange(2024, 2027)}/{numbers.digits(r, 5)}"

    def operation(self, slot: str) -> str:
        r = self._random("operation", slot)
        return f"Operation {r.choice(_COLOURS)} {r.choice(_EMBLEMS)}"

    def person(self, slot: str) -> Identity:
        r = self._random("person", slot)
        state, _, rest = slot.partition("-")
        known = state.upper() in State.__members__ and rest
        return identity(
            r, State(state.upper()) if known else State(r.choice(("XA", "XB"))), minor="minor" in slot
        )


def _transport(random: Random, states: tuple[State, State]) -> Transport:
    if states in _BY_SEA:
        return random.choice(("small_boat", "small_boat", "lorry", "ferry"))
    if _OVERSEAS & set(states) or states[0] in {"XA", "XB"}:
        return (
            random.choice(("air", "cargo_ship"))
            if states[0] in {"XA", "XB"}
            else random.choice(("car", "on_foot"))
        )
    return random.choice(("lorry", "car", "train"))
