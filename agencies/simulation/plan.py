"""A seeded plan: the n-th record of an agency, with labels as an analyst might set them.

- Draft n of an agency depends on (seed, agency, n) alone: a node that restarts goes on with the next one, and
  another agency in the cast changes nothing.
- Labels are set as a busy analyst would: mostly right, sometimes wider than the rules or the gate allow.
  That is what the two locks are for.
- Every person, number and place detail is invented; names come from small lists, never from people.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random

from agencies.drafting import Draft, DraftPortion
from schemas.clock import Clock
from schemas.codes import (
    AgencyRole,
    Caveat,
    HandlingCode,
    InformationGrade,
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Directory
from schemas.entropy import Entropy
from schemas.ids import AgencyId, new_record_id
from schemas.labels import Handling, Label, Routing, ordered, retain_until
from schemas.model import Model
from schemas.records.boat_supply import BoatSupplyBase, BoatSupplyPersons, BoatSupplySources, Item
from schemas.records.debrief import DebriefBase, DebriefPersons, DebriefSources
from schemas.records.kind import Person
from schemas.records.online_advert import OnlineAdvertBase, OnlineAdvertPersons, OnlineAdvertReferral

_GIVEN = (
    "Arben",
    "Amina",
    "Besnik",
    "Dalia",
    "Émile",
    "Farid",
    "Giulia",
    "Hana",
    "Linh",
    "Noor",
    "Samir",
    "Yūki",
)
_FAMILY = (
    "Al-Example",
    "Beispiel",
    "Campione",
    "Esempio",
    "Exemple",
    "Mẫu",
    "Mostra",
    "Sampleton",
    "Shembull",
)
_MAKERS = ("Nordmar", "Tidewell", "Lagune", "Meridiana", "Kestrel")
_PLACES = ("Harbour North", "Quai 7", "Molo Est", "Depot 12", "Beach K", "Yard 3", "Camp Ouest")
_WORDS = [
    "consignment",
    "observed",
    "at",
    "dusk",
    "driver",
    "changed",
    "plates",
    "hulls",
    "unmarked",
    "engines",
    "crated",
    "cash",
    "paid",
    "in",
    "two",
    "parts",
    "contact",
    "speaks",
    "little",
    "route",
    "shifts",
    "east",
    "weather",
    "window",
    "expected",
    "lookouts",
    "posted",
    "van",
    "rented",
    "abroad",
    "receipt",
    "torn",
    "phone",
    "switched",
    "off",
    "meeting",
    "near",
    "the",
    "ring",
    "road",
    "warehouse",
    "let",
    "for",
    "a",
    "month",
    "name",
    "given",
    "is",
    "likely",
    "false",
]


def planned_draft(
    agency: AgencyId, directory: Directory, seed: int, index: int, clock: Clock, entropy: Entropy
) -> Draft:
    """The draft number `index` of the agency's plan. Record id and creation are fresh, all else is seeded."""
    random = Random(f"{seed}/{agency}/{index}")  # noqa: S311  # a simulation wants a seeded generator
    now_ms = clock.now_ms()
    role = directory.agency(agency).role
    kind = _kind(random, role)
    author = _Author(random, directory, agency, now_ms)
    return Draft(new_record_id(clock, entropy), kind, now_ms // 1000, _WRITERS[kind](author))


def _kind(random: Random, role: AgencyRole) -> Kind:
    if role is AgencyRole.PLATFORM:
        return Kind.ONLINE_ADVERT
    if role is AgencyRole.SOURCE_STATE:
        return random.choices([Kind.BOAT_SUPPLY, Kind.ONLINE_ADVERT], [3, 1])[0]
    return random.choices([Kind.BOAT_SUPPLY, Kind.ONLINE_ADVERT, Kind.DEBRIEF], [4, 3, 4])[0]


class _Author:
    """One analyst with one record to write: the seeded stream, and who could be addressed."""

    def __init__(self, random: Random, directory: Directory, agency: AgencyId, now_ms: int) -> None:
        self.random = random
        self.directory = directory
        self.agency = agency
        self.now_ms = now_ms
        self.seen_at = datetime.fromtimestamp(now_ms // 1000 - random.randrange(3600, 30 * 86_400), UTC)

    def text(self, least: int, most: int) -> str:
        words = self.random.choices(_WORDS, k=self.random.randrange(least, most))
        return " ".join(words).capitalize() + "."

    def person(self, role: str) -> Person:
        r = self.random
        return Person(
            name=f"{r.choice(_GIVEN)} {r.choice(_FAMILY)}",
            born=f"{r.randrange(1960, 2012)}-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}",
            nationality=r.choice(["XA", "XB"]),
            role=role,
            note=self.text(4, 12),
        )

    def of_role(self, *roles: AgencyRole) -> list[AgencyId]:
        return [
            a
            for a in self.directory.agency_ids
            if self.directory.agency(a).role in roles and a != self.agency
        ]

    def partners(self) -> list[AgencyId]:
        """All law-enforcement agencies but us."""
        return self.of_role(AgencyRole.POLICE, AgencyRole.BORDER, AgencyRole.FINANCIAL, AgencyRole.UNION_BODY)

    def some(self, agencies: Sequence[AgencyId]) -> list[AgencyId]:
        """One or more of the agencies."""
        return self.random.sample(agencies, self.random.randint(1, len(agencies))) if agencies else []

    def routing(
        self, agencies: Sequence[AgencyId], *, community: float = 0.5, officers: float = 0.0
    ) -> Routing:
        """Releasable to the agencies; at times to a community, at times to an officer by name."""
        r, d = self.random, self.directory
        mine = d.communities_of(self.agency, self.now_ms)
        communities = [r.choice(mine)] if mine and r.random() < community else []
        posted = [o.id for o in d.officers if o.home != self.agency and d.posted(o.id, self.now_ms)]
        named = [r.choice(posted)] if posted and r.random() < officers else []
        return Routing(ordered(agencies), ordered(communities), ordered(named))

    def handling(
        self,
        tlp: Tlp,
        purposes: Sequence[Purpose],
        *,
        subjects: Sequence[SubjectCategory] = (),
        special: Sequence[SpecialCategory] = (),
        caveats: Sequence[Caveat] = (),
        grounds: Sequence[ProtectionGround] = (),
        cleared: bool = False,
        origins: Sequence[State] = (),
    ) -> Handling:
        r = self.random
        code = r.choices([HandlingCode.H0, HandlingCode.H1, HandlingCode.H2, HandlingCode.H3], [6, 3, 1, 1])[
            0
        ]
        return Handling(
            tlp,
            (code,),
            r.choice(list(SourceGrade)),
            r.choice(list(InformationGrade)),
            ordered(purposes),
            ordered(subjects),
            ordered(special),
            ordered(caveats),
            ordered(grounds),
            cleared,
            ordered(origins),
            retain_until(self.now_ms, r.choice([180, 365, 1095])),
        )

    def tlp(self) -> Tlp:
        return self.random.choices(
            [Tlp.RED, Tlp.AMBER_STRICT, Tlp.AMBER, Tlp.GREEN, Tlp.CLEAR], [1, 2, 5, 4, 1]
        )[0]

    def suspects(self, routing: Routing) -> Label:
        """Persons who are suspects; at times cleared for their state of origin."""
        r = self.random
        handling = self.handling(
            self.tlp(),
            [Purpose.INVESTIGATION, Purpose.RETURN] if r.random() < 0.3 else [Purpose.INVESTIGATION],
            subjects=[SubjectCategory.SUSPECT],
            cleared=r.random() < 0.4,
            origins=[r.choice([State["XA"], State["XB"]])],
            caveats=[Caveat.LAW_ENFORCEMENT_ONLY] if r.random() < 0.3 else [],
        )
        return Label(handling, routing)

    def protected(self, routing: Routing) -> Label:
        """Persons under protection; their origin at times unknown."""
        r = self.random
        handling = self.handling(
            r.choice([Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.GREEN]),
            [Purpose.PROTECTION, Purpose.INVESTIGATION],
            subjects=[r.choice([SubjectCategory.VICTIM, SubjectCategory.OTHER_PARTY])],
            special=[SpecialCategory.HEALTH] if r.random() < 0.2 else [],
            grounds=[r.choice(list(ProtectionGround))],
            origins=[r.choices([State["XA"], State["XB"], State["ZZ"]], [5, 3, 1])[0]],
        )
        return Label(handling, routing)


def _portion(name: PortionName, content: Model, label: Label) -> DraftPortion:
    return DraftPortion(name, content, label)


def _boat_supply(author: _Author) -> tuple[DraftPortion, ...]:
    r, partners = author.random, author.partners()
    wide = [
        *author.some(partners),
        *([a for a in author.of_role(AgencyRole.SOURCE_STATE) if r.random() < 0.6]),
    ]
    base = BoatSupplyBase(
        summary=author.text(12, 60),
        items=tuple(
            Item(
                what=r.choice(["hull", "outboard_engine", "life_jacket", "fuel_can", "pump"]),
                maker=r.choice(_MAKERS),
                serial=f"{r.choice('ABCDEF')}{r.randrange(10**6):06d}-{r.randrange(100):02d}",
                count=r.randrange(1, 40),
            )
            for _ in range(r.randrange(1, 4))
        ),
        consignment=f"{''.join(r.choices('ABCDEFGHJK', k=4))}{r.randrange(10**7):07d}",
        warehouse=r.choice(_PLACES),
        seen_at=author.seen_at,
    )
    portions = [
        _portion(
            PortionName.BASE,
            base,
            Label(
                author.handling(author.tlp(), [Purpose.DETECTION, Purpose.INVESTIGATION]),
                author.routing(wide, officers=0.1),
            ),
        )
    ]
    if r.random() < 0.5:
        # An analyst in a hurry copies the base's list: sources go to a source state only because nobody looked.
        routing = author.routing(wide, community=0.3)
        sources = BoatSupplySources(
            method=r.choice(["informant", "surveillance", "intercept"]), detail=author.text(8, 40)
        )
        portions.append(
            _portion(
                PortionName.SOURCES,
                sources,
                Label(
                    author.handling(Tlp.AMBER_STRICT, [Purpose.INVESTIGATION], caveats=[Caveat.ORCON]),
                    routing,
                ),
            )
        )
    if r.random() < 0.6:
        persons = BoatSupplyPersons(
            persons=tuple(
                author.person(r.choice(["seller", "driver", "consignee"])) for _ in range(r.randrange(1, 3))
            )
        )
        portions.append(_portion(PortionName.PERSONS, persons, author.suspects(author.routing(wide))))
    return tuple(portions)


def _online_advert(author: _Author) -> tuple[DraftPortion, ...]:
    r = author.random
    platforms = author.of_role(AgencyRole.PLATFORM)
    base = OnlineAdvertBase(
        summary=author.text(10, 50),
        language=r.choice(["ar", "en", "fr", "sq", "vi"]),
        price_eur=r.randrange(800, 9000),
        contact=f"+999{r.randrange(10**8):08d}",  # 999: a country code that nobody has
        seen_at=author.seen_at,
    )
    referral = OnlineAdvertReferral(
        url=f"https://social.example/{r.choice(['p', 'g', 'r'])}/{r.randrange(10**9)}",
        account=f"account-{r.randrange(10**6)}",
        terms_breached="human_smuggling",
        requested_action=r.choice(["remove", "suspend_account", "preserve_and_remove"]),
    )
    # At times the whole record is addressed to the platform, which must still see its referral only.
    base_to = [*author.some(author.partners()), *(platforms if r.random() < 0.25 else [])]
    portions = [
        _portion(
            PortionName.BASE,
            base,
            Label(author.handling(author.tlp(), [Purpose.INVESTIGATION]), author.routing(base_to)),
        ),
        _portion(
            PortionName.REFERRAL,
            referral,
            Label(
                author.handling(r.choice([Tlp.GREEN, Tlp.AMBER]), [Purpose.TAKEDOWN]),
                author.routing([*platforms, *author.some(author.partners())], community=0.2),
            ),
        ),
    ]
    if r.random() < 0.3 and author.directory.agency(author.agency).role is not AgencyRole.PLATFORM:
        persons = OnlineAdvertPersons(persons=(author.person("account holder"),))
        portions.append(
            _portion(
                PortionName.PERSONS, persons, author.suspects(author.routing(author.some(author.partners())))
            )
        )
    return tuple(portions)


def _debrief(author: _Author) -> tuple[DraftPortion, ...]:
    r = author.random
    partners, source_states = author.partners(), author.of_role(AgencyRole.SOURCE_STATE)
    base = DebriefBase(
        summary=author.text(12, 60),
        embarked=r.choice(_PLACES),
        landed=r.choice(_PLACES),
        transport=r.choice(["small_boat", "lorry", "train", "on_foot", "air"]),
        paid_eur=r.randrange(500, 12_000),
        interviewed_at=author.seen_at,
    )
    persons = DebriefPersons(
        persons=tuple(
            author.person(r.choice(["migrant", "witness", "relative"])) for _ in range(r.randrange(1, 4))
        ),
        account=author.text(20, 120),
    )
    # The gravest mistake an analyst can make: a protected person's portion addressed to the state of origin.
    persons_to = [*author.some(partners), *(source_states if r.random() < 0.3 else [])]
    portions = [
        _portion(
            PortionName.BASE,
            base,
            Label(
                author.handling(author.tlp(), [Purpose.PREVENTION, Purpose.INVESTIGATION]),
                author.routing([*author.some(partners), *(source_states if r.random() < 0.5 else [])]),
            ),
        ),
        _portion(PortionName.PERSONS, persons, author.protected(author.routing(persons_to, officers=0.15))),
    ]
    if r.random() < 0.5:
        sources = DebriefSources(interviewer=f"Officer {r.randrange(1000)}", assessment=author.text(8, 30))
        label = Label(
            author.handling(Tlp.AMBER, [Purpose.INVESTIGATION]), author.routing(author.some(partners))
        )
        portions.append(_portion(PortionName.SOURCES, sources, label))
    return tuple(portions)


_WRITERS: dict[Kind, Callable[[_Author], tuple[DraftPortion, ...]]] = {
    Kind.BOAT_SUPPLY: _boat_supply,
    Kind.ONLINE_ADVERT: _online_advert,
    Kind.DEBRIEF: _debrief,
}
