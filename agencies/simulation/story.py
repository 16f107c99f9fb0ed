"""The story of an act: which things of the world, which people and which moment it is about.

- It is drawn from (seed, agency, act) before anything is written, so that all portions tell of the same things.
- Each portion and each label then has a random stream of its own: a portion more or less changes no other.
- What the act links takes the place of what was drawn, and nothing else changes by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Final

from agencies.errors import NodeError
from agencies.simulation import people, writing
from agencies.simulation.people import Identity, Part
from agencies.simulation.places import places_of
from agencies.simulation.world import (
    POOLS,
    Advert,
    Device,
    Gang,
    Hop,
    Vehicle,
    Vessel,
    World,
    pooled,
    world_of,
)
from schemas.codes import UNKNOWN_STATE, Kind, ProtectionGround, State, SubjectCategory
from schemas.directory import Agency
from schemas.records.kind import Person
from schemas.records.particulars import Account, Item, Place

_LANGUAGES: Final = {"ar": "Arabic", "vi": "Vietnamese", "sq": "Albanian", "en": "English", "fr": "French"}
_WEATHER: Final = (
    "a calm sea and mist",
    "a light wind off the land",
    "rain and little moon",
    "a swell of half a metre",
)
_NICKNAMES: Final = ("Tailor", "Pharmacist", "Uncle", "Captain", "Student", "Baker", "Engineer", "Teacher")


class BadAct(NodeError):
    """An act that cannot be written as it stands; the message says what it asks for in vain."""


@dataclass(frozen=True)
class Story:
    """What an act is about. `seen`: when it happened, some time before `now`; both in whole seconds, UTC.

    `linked`: the sorts of things that the act itself names; they stand in the record wherever its kind has a place.
    """

    key: str
    agency: Agency
    now: datetime
    seen: datetime
    world: World
    slots: Mapping[str, str]
    linked: frozenset[str]
    cast: tuple[Part, ...]

    def stream(self, part: str) -> Random:
        """The random stream of one part of this act."""
        return Random(f"{self.key}/{part}")  # noqa: S311  # a simulation wants a seeded generator

    @cached_property
    def gang(self) -> Gang:
        return self.world.gang(self.slots["gang"])

    @cached_property
    def route(self) -> tuple[Hop, ...]:
        return self.world.route(self.slots["route"])

    @cached_property
    def engine(self) -> Item:
        return self.world.engine(self.slots["engine"])

    @cached_property
    def hull(self) -> Item:
        return self.world.hull(self.slots["hull"])

    @cached_property
    def container(self) -> str:
        return self.world.container(self.slots["container"])

    @cached_property
    def warehouse(self) -> tuple[str, Place]:
        return self.world.warehouse(self.slots["warehouse"])

    @cached_property
    def vehicle(self) -> Vehicle:
        return self.world.vehicle(self.slots["vehicle"])

    @cached_property
    def vessel(self) -> Vessel:
        return self.world.vessel(self.slots["vessel"])

    @cached_property
    def phone(self) -> Device:
        return self.world.phone(self.slots["phone"])

    @cached_property
    def account(self) -> Account:
        return self.world.account(self.slots["account"])

    @cached_property
    def advert(self) -> Advert:
        return self.world.advert(self.slots["advert"])

    @cached_property
    def case(self) -> str:
        return self.world.case(self.slots["case"])

    @cached_property
    def operation(self) -> str:
        return self.world.operation(self.slots["operation"])

    @cached_property
    def home(self) -> State:
        """The agency's own state, the first of several."""
        return min(self.agency.states)

    @cached_property
    def facts(self) -> dict[str, str]:
        """What the texts of this act tell alike."""
        r, route = self.stream("facts"), self.route
        port = route[-1].start
        inland = r.choice([place for place in places_of(port.state) if place != port])
        return {
            "gang": self.gang.name,
            "alias": self.gang.alias,
            "size": str(self.gang.size),
            "countries": str(len(self.gang.states)),
            "origin": route[0].start.name,
            "transit": r.choice([inland, *(hop.end for hop in route[:-2])]).name,
            "port": port.name,
            "landing": route[-1].end.name,
            "hour": f"{r.randrange(24):02d}:{r.randrange(0, 60, 5):02d}",
            "price": f"EUR {r.randrange(1200, 9000, 100):,}",
            "paid": f"EUR {r.randrange(200, 1200, 50):,}",
            "language": _LANGUAGES[self.advert.language],
            "vehicle": self.vehicle.words,
            "vehicle_up": self.vehicle.words.capitalize(),
            "vessel": self.vessel.name,
            "warehouse": self.warehouse[0],
            "maker": self.engine.maker,
            "serial": self.engine.serial,
            "container": self.container,
            "handle": self.advert.account,
            "weather": r.choice(_WEATHER),
            "nickname": r.choice(_NICKNAMES),
        }

    def text(self, random: Random, topic: str, longest: int = writing.LONGEST) -> str:
        """100 characters or more on the topic."""
        return writing.report(random, topic, self.facts, longest)

    def persons(self, random: Random) -> tuple[Person, ...]:
        """The people of the cast; a linked person, and a linked telephone, are the first one's."""
        found = [
            people.person(
                random,
                self._identity(random, at, part),
                part,
                self._note(random, part) if random.random() < 0.7 else None,
            )
            for at, part in enumerate(self.cast)
        ]
        if found and "phone" in self.linked:
            found[0] = found[0].model_copy(update={"phone": self.phone.number, "imei": self.phone.imei})
        return tuple(found)

    def _note(self, random: Random, part: Part) -> str:
        offender = part.ground is None and part.category in {
            SubjectCategory.SUSPECT,
            SubjectCategory.CONVICTED,
        }
        return self.text(random, "offender" if offender else "protected", 700)

    def _identity(self, random: Random, at: int, part: Part) -> Identity:
        if at == 0 and "person" in self.linked:
            return self.world.person(self.slots["person"])
        state = part.state if part.state != UNKNOWN_STATE else State(random.choice(("XA", "XB")))
        sort = "minor" if part.ground is ProtectionGround.MINOR else part.category
        return self.world.person(f"{state.lower()}-{sort}-{random.randrange(POOLS['person'])}")


def make_story(
    seed: int,
    agency: Agency,
    act: str,
    kind: Kind,
    now_ms: int,
    links: Mapping[str, str],
    cast: Sequence[Part] | None = None,
) -> Story:
    """Draw the story; `cast` None: who is usual in a record of the kind. Raises: `BadAct`."""
    unknown = sorted(links.keys() - POOLS.keys())
    if unknown:
        raise BadAct(
            f"act '{act}': '{unknown[0]}' is no sort of thing in the world, but {', '.join(sorted(POOLS))}"
        )
    key = f"{seed}/{agency.id}/{act}"
    random = Random(key)  # noqa: S311  # a simulation wants a seeded generator
    drawn = {sort: pooled(random, sort) for sort in POOLS if sort != "person"}
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    seen = now - timedelta(seconds=random.randrange(3600, 30 * 86_400))
    world = world_of(seed)
    if cast is None:
        cast = people.drawn_cast(random, kind)
        if "person" in links:
            who = world.person(links["person"])
            cast = [cast[0]._replace(state=who.state), *cast[1:]]
    return Story(key, agency, now, seen, world, drawn | dict(links), frozenset(links), tuple(cast))
