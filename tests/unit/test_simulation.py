"""The generator: what a record depends on and on what not, what records share, and that no number is anybody's."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256

import pytest

from agencies.drafting import Draft, check
from agencies.sealing import content_bytes
from agencies.simulation.labels import CLEARABLE
from agencies.simulation.people import LOCALES, identity
from agencies.simulation.plan import planned_draft
from agencies.simulation.script import Act, PortionHint, acted_draft
from agencies.simulation.sentences import ASIDES, CLOSES, GAPS, TOPICS
from agencies.simulation.story import BadAct
from agencies.simulation.world import POOLS, world_of
from agencies.simulation.writing import LONGEST, SHORTEST
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.audience import addressed, audience
from schemas.clock import ManualClock
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
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Directory, instant_ms
from schemas.entropy import SeededEntropy
from schemas.ids import AgencyId
from schemas.labels import handling_bytes, routing_bytes
from schemas.model import Model
from schemas.records import KINDS, bears_persons
from schemas.records.boat_supply import BoatSupplyBase
from schemas.records.kind import Person
from tests.support.federation import NOW_MS

SHIPPED_NAMES = [name for name in ("g7-small", "g7") if (SHIPPED / name).is_dir()]
GB, FR, IT, XA, SOCIAL = map(AgencyId, ("gb-nca", "fr-oltim", "it-pds", "xa-np", "pf-social"))
SEED = 7
EACH = 60
TEXTS = frozenset(
    ("summary", "detail", "question", "reasons", "answer", "connection", "assessment", "needs", "note")
)


@cache
def directory(name: str) -> Directory:
    return read_arrangement(SHIPPED / name).directory


def planned(agency: AgencyId, of: Directory, index: int, seed: int = SEED) -> Draft:
    return planned_draft(agency, of, seed, index, ManualClock(NOW_MS), SeededEntropy(b"ids"))


@cache
def drafts(name: str) -> tuple[tuple[AgencyId, Draft], ...]:
    of = directory(name)
    return tuple((agency, planned(agency, of, index)) for agency in of.agency_ids for index in range(EACH))


def acted(act: Act, seed: int = SEED, revision: int = 1) -> Draft:
    of = directory("g7-small")
    draft = acted_draft(act, of, seed, ManualClock(NOW_MS), SeededEntropy(b"ids"), revision=revision)
    check(draft, of)
    return draft


def act(kind: Kind, *hints: PortionHint, agency: AgencyId = GB, name: str = "a", **links: str) -> Act:
    return Act(name=name, agency=agency, at_ms=0, kind=kind, portions=hints, links=links)


def hint(name: PortionName, *to: str) -> PortionHint:
    return PortionHint(name=name, to=to)


def whole(kind: Kind, agency: AgencyId = GB, **links: str) -> str:
    """All content that the kind can have, as one text."""
    hints = [hint(PortionName(name), FR) for name in KINDS[kind].portions]
    return "".join(
        p.content.model_dump_json() for p in acted(act(kind, *hints, agency=agency, **links)).portions
    )


def digest(items: Sequence[Draft]) -> str:
    """Of everything that is seeded: kind, portions, content, labels."""
    seen = sha256()
    for draft in items:
        seen.update(draft.kind.encode())
        for p in draft.portions:
            seen.update(p.name.encode() + content_bytes(p.content))
            seen.update(handling_bytes(p.label.handling) + routing_bytes(p.label.routing))
    return seen.hexdigest()


def models(content: Model) -> Iterator[Model]:
    """The content and all models in it."""
    yield content
    for value in dict(content).values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Model):
                yield from models(item)


def persons(name: str) -> list[tuple[Person, Draft]]:
    return [
        (found, draft)
        for _, draft in drafts(name)
        for p in draft.portions
        for found in models(p.content)
        if isinstance(found, Person)
    ]


# -- what a record depends on --------------------------------------------------------------------------------


def digest_of_plans() -> str:
    return digest([draft for _, draft in drafts("g7-small")])


def test_every_process_comes_to_the_same_records() -> None:
    command = "from tests.unit.test_simulation import digest_of_plans; print(digest_of_plans())"
    for hash_seed in ("0", "1"):
        found = subprocess.run(
            [sys.executable, "-c", command],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        )
        assert found.stdout.strip() == digest_of_plans()


def test_a_record_depends_on_seed_agency_and_number_alone() -> None:
    of = directory("g7-small")
    known = [draft for agency, draft in drafts("g7-small") if agency == FR]
    backwards = [planned(FR, of, index) for index in reversed(range(EACH))]
    assert digest(backwards[::-1]) == digest(known)
    assert len({digest([draft]) for draft in known}) == EACH
    assert digest([planned(FR, of, 0, seed=8)]) != digest([planned(FR, of, 0)])
    assert digest([planned(GB, of, 0)]) != digest([planned(FR, of, 0)])


def without(of: Directory, agency: AgencyId) -> Directory:
    return Directory(
        agencies=tuple(a for a in of.agencies if a.id != agency),
        officers=tuple(o for o in of.officers if agency not in {o.home, o.host}),
        communities=tuple(
            c.model_copy(update={"members": tuple(m for m in c.members if m.agency != agency)})
            for c in of.communities
            if c.lead != agency
        ),
    )


def test_an_agency_more_or_less_changes_nobody_elses_records() -> None:
    of = directory("g7-small")
    fewer = without(of, XA)
    for agency in fewer.agency_ids:
        for index in range(20):
            many, few = planned(agency, of, index), planned(agency, fewer, index)
            assert [p.content for p in many.portions] == [p.content for p in few.portions]
            for a, b in zip(many.portions, few.portions, strict=True):
                assert a.label.handling == b.label.handling
                assert tuple(i for i in a.label.routing.agencies if i != XA) == b.label.routing.agencies
                assert a.label.routing.communities == b.label.routing.communities


def test_a_portion_more_or_less_changes_no_other() -> None:
    for kind, spec in KINDS.items():
        hints = {PortionName(name): hint(PortionName(name), FR) for name in spec.portions}
        together = {p.name: p.content for p in acted(act(Kind(kind), *hints.values())).portions}
        for name, one in hints.items():
            if spec.portion(name).bears_persons or not any(p.bears_persons for p in spec.portions.values()):
                assert acted(act(Kind(kind), one)).portions[0].content == together[name]


def test_instants_follow_the_clock() -> None:
    of = directory("g7-small")
    later = planned_draft(FR, of, SEED, 0, ManualClock(NOW_MS + 86_400_000), SeededEntropy(b"ids"))
    assert later.created_s == NOW_MS // 1000 + 86_400
    for _, draft in drafts("g7-small"):
        assert draft.created_s == NOW_MS // 1000
        for p in draft.portions:
            for field in ("seen_at", "observed_at", "seized_at", "interviewed_at", "asked_at", "acted_at"):
                when = getattr(p.content, field, None)
                assert when is None or NOW_MS - 31 * 86_400_000 < instant_ms(when) <= NOW_MS


# -- what records share --------------------------------------------------------------------------------------


def test_a_linked_thing_is_the_same_in_every_record() -> None:
    world = world_of(SEED)
    engine = world.engine("engine-3").serial
    for kind in (Kind.ASSET_SEIZURE, Kind.ONLINE_ADVERT, Kind.BOAT_SUPPLY, Kind.TECHNICAL_INFORMATION):
        assert engine in whole(kind, engine="engine-3")
        assert engine in whole(kind, FR, engine="engine-3")
        assert engine not in whole(kind)
    account = world.account("account-1").model_dump_json(exclude_none=True)[1:-1]
    for kind in (Kind.ASSET_SEIZURE, Kind.ORGANISED_GROUP, Kind.BOAT_SUPPLY):
        for agency in (GB, IT):
            assert account in whole(kind, agency, account="account-1")
    case = world.case("case-9")
    assert case in whole(Kind.INFORMATION_REQUEST, GB, case="case-9")
    assert case in whole(Kind.INFORMATION_RESPONSE, FR, case="case-9")
    person = world.person("xa-minor-2")
    for kind in (Kind.DEBRIEF, Kind.RETURN_CASE, Kind.ORGANISED_GROUP):
        assert person.name in whole(kind, person="xa-minor-2")
    assert world_of(SEED + 1).engine("engine-3") != world.engine("engine-3")


@pytest.mark.parametrize("sort", POOLS)
def test_every_sort_of_thing_has_a_place_in_some_record(sort: str) -> None:
    def linked(kind: Kind, slot: str) -> str:
        return whole(kind, GB, **{sort: slot})

    assert any(linked(kind, "xa-one") != linked(kind, "xb-other") for kind in Kind)


def test_agencies_meet_the_same_things_unguided() -> None:
    holders: dict[str, set[AgencyId]] = {}
    for agency, draft in drafts("g7-small"):
        for p in draft.portions:
            if isinstance(p.content, BoatSupplyBase):
                for item in p.content.items:
                    holders.setdefault(item.serial, set()).add(agency)
    assert any(len(agencies) > 1 for agencies in holders.values())


# -- what stands in records ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_every_kind_is_drafted_and_can_be_sealed_and_read(name: str) -> None:
    for _, draft in drafts(name):
        check(draft, directory(name))
        for p in draft.portions:
            assert type(p.content).model_validate_json(content_bytes(p.content)) == p.content
    assert {draft.kind for _, draft in drafts(name)} == set(Kind)
    written = {(draft.kind, p.name) for _, draft in drafts(name) for p in draft.portions}
    assert written == {(kind, portion) for kind, spec in KINDS.items() for portion in spec.portions}


def test_texts_are_of_100_to_4000_characters_and_say_nothing_twice() -> None:
    lengths: list[int] = []
    for _, draft in drafts("g7-small"):
        for p in draft.portions:
            for model in models(p.content):
                for field in TEXTS & type(model).model_fields.keys():
                    text = getattr(model, field)
                    if text is not None:
                        lengths.append(len(text))
                        assert "{" not in text
                        assert not text.startswith((" ", "\n"))
                        sentences = [s for s in text.replace("\n\n", " ").split(". ") if len(s) > 60]
                        assert len(set(sentences)) == len(sentences)
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= LONGEST
    assert min(lengths) < 150
    assert max(lengths) > 2000


def test_every_topic_fills_the_shortest_text_whatever_comes_first() -> None:
    for sentences in (*TOPICS.values(), ASIDES, GAPS, CLOSES):
        assert len(set(sentences)) == len(sentences)
        assert all(sentence.endswith(".") for sentence in sentences)
    for topic, sentences in TOPICS.items():
        assert sum(sorted(map(len, sentences))[:-1]) > 2 * SHORTEST, topic


def test_people_of_all_categories_and_grounds_occur() -> None:
    found = persons("g7-small")
    assert {person.category for person, _ in found} == set(SubjectCategory)
    grounds = Counter(
        ground
        for _, draft in drafts("g7-small")
        for p in draft.portions
        for ground in p.label.handling.grounds
    )
    assert set(grounds) == set(ProtectionGround)
    minors = [person for person, _ in found if person.role == "unaccompanied minor"]
    assert minors
    assert all(int((person.born or "0")[:4]) > 2008 for person in minors)
    assert {person.sex for person, _ in found} == {"F", "M"}


def test_names_are_written_in_the_script_of_the_state() -> None:
    names = {
        state: "".join(p.name for p, _ in persons("g7-small") if p.nationality == state) for state in LOCALES
    }
    assert any("\u0600" <= c <= "\u06ff" for c in names["XA"])
    assert not any(c.isascii() and c.isalpha() for c in names["XA"])
    assert set("ễầữệăđ") & set(names["XB"].lower())
    assert any("\u4e00" <= c <= "\u9fff" for c in names["JP"])
    assert set("ëçË") & set("".join(p.name for p, _ in persons("g7-small") if p.nationality == "AL"))
    latin = [p.latin for p, _ in persons("g7-small") if p.nationality in {"XB", "JP"} and p.latin]
    assert latin
    assert all(name.isascii() for name in latin)


def test_labels_tell_who_stands_in_a_portion() -> None:
    for _, draft in drafts("g7-small"):
        for p in draft.portions:
            people = getattr(p.content, "persons", None)
            if people is not None:
                assert set(p.label.handling.subjects) == {person.category for person in people}
                known = {person.nationality for person in people if person.nationality}
                assert known == set(p.label.handling.origins) - {"ZZ"}
            elif not bears_persons(draft.kind, p.name):
                assert not p.label.handling.subjects


def test_no_number_can_be_anybodys() -> None:
    drama = ("+999", "+447700900", "+3363998", "+493023125", "+120255501", "+160455501")
    for _, draft in drafts("g7-small"):
        for p in draft.portions:
            for model in models(p.content):
                known = dict(model)
                for field in ("phone", "contact"):
                    assert known.get(field) is None or known[field].startswith(drama)
                assert known.get("imei") is None or known["imei"].startswith("00")
                assert known.get("vin") is None or known["vin"].startswith("000")
                assert known.get("imo") is None or known["imo"].startswith("0")
                assert known.get("hin") is None or known["hin"][:3] in {"XA-", "XB-"}
                assert (
                    known.get("iban") is None or known["iban"][4:8] == "TEST" or "00000000" in known["iban"]
                )
                assert known.get("url") is None or known["url"].startswith("https://social.example/")


@pytest.mark.parametrize("state", [*LOCALES, "AL", "ES"])
def test_an_identity_is_the_same_whoever_was_made_before(state: str) -> None:
    world = world_of(SEED)
    first = world.person(f"{state.lower()}-somebody")
    identity(world_of(SEED + 1)._random("person", "x"), State(state))
    assert world.person(f"{state.lower()}-somebody") == first
    assert first.state == state


# -- how labels are set --------------------------------------------------------------------------------------


def test_labels_are_mostly_right_and_sometimes_too_wide() -> None:
    of = directory("g7-small")
    portions = [(agency, draft, p) for agency, draft in drafts("g7-small") for p in draft.portions]
    tlp = Counter(p.label.handling.tlp == KINDS[d.kind].portion(p.name).start.tlp for _, d, p in portions)
    assert tlp[True] > 2 * tlp[False] > 0
    source_states = {a.id for a in of.agencies if a.role is AgencyRole.SOURCE_STATE}
    platforms = {a.id for a in of.agencies if a.role is AgencyRole.PLATFORM}

    def to(agency: AgencyId, draft: Draft, at: int) -> frozenset[AgencyId]:
        return addressed(draft.portions[at].label, agency, of, NOW_MS)

    barred = sources = strange = 0
    for agency, draft in drafts("g7-small"):
        for at, p in enumerate(draft.portions):
            named = to(agency, draft, at)
            bears = bears_persons(draft.kind, p.name)
            barred += named > audience(p.label, bears, agency, of, NOW_MS)
            sources += p.name == PortionName.SOURCES and not named.isdisjoint(source_states)
            strange += p.name != PortionName.REFERRAL and not named.isdisjoint(platforms)
    assert barred > 10
    assert sources > 0
    assert strange > 0
    cleared = [p.label.handling for _, _, p in portions if p.label.handling.protection_cleared]
    assert sum(CLEARABLE.issuperset(h.subjects) for h in cleared) > 0.8 * len(cleared)


def test_a_platform_reports_removals() -> None:
    written = Counter(
        tuple(p.name for p in draft.portions) for agency, draft in drafts("g7-small") if agency == SOCIAL
    )
    assert written.most_common(1)[0][0] == (PortionName.REMOVAL,)
    assert all(PortionName.PERSONS not in names for names in written)


def test_a_hinted_label_has_no_chance_in_it() -> None:
    hints = [hint(PortionName(name), FR, "jit-channel") for name in KINDS[Kind.DEBRIEF].portions]
    for seed in range(20):
        made = acted(act(Kind.DEBRIEF, *hints), seed)
        for p in made.portions:
            start, label = KINDS[Kind.DEBRIEF].portion(p.name).start, p.label
            handling = label.handling
            assert (label.routing.agencies, label.routing.communities) == ((FR,), ("jit-channel",))
            assert (handling.source, handling.information) == (SourceGrade.B, InformationGrade.TWO)
            assert handling.tlp == start.tlp
            assert set(handling.purposes) == set(start.purposes)
            assert not handling.protection_cleared
            bears = p.name == PortionName.PERSONS
            assert handling.origins == (("ZZ",) if bears else ())
            assert handling.subjects == ((SubjectCategory.OTHER_PARTY,) if bears else ())


def test_hints_go_before_what_is_usual() -> None:
    said = PortionHint(
        name=PortionName.PERSONS,
        to=("gb-nca/liaison-xa", "xa-np", "it-pds/liaison-paris", "g7-network"),
        tlp=Tlp.GREEN,
        handling_codes=(HandlingCode.H3, HandlingCode.H0),
        purposes=(Purpose.RETURN,),
        subjects=(SubjectCategory.CONVICTED, SubjectCategory.VICTIM),
        caveats=(Caveat.NO_PRIVATE_PARTY,),
        grounds=(ProtectionGround.MINOR,),
        origins=(State("XB"),),
        cleared=True,
        retain_days=3,
    )
    portion = acted(act(Kind.RETURN_CASE, said, agency=FR)).portions[0]
    handling, routing = portion.label.handling, portion.label.routing
    assert routing.agencies == ("xa-np",)
    assert routing.communities == ("g7-network",)
    assert routing.officers == ("gb-nca/liaison-xa", "it-pds/liaison-paris")
    assert (handling.tlp, handling.purposes, handling.protection_cleared) == (Tlp.GREEN, said.purposes, True)
    assert handling.handling_codes == ("H0", "H3")
    assert (handling.caveats, handling.grounds, handling.origins) == (
        said.caveats,
        said.grounds,
        said.origins,
    )
    assert handling.retain_until == NOW_MS // 86_400_000 + 3
    people: tuple[Person, ...] = getattr(portion.content, "persons", ())
    assert [person.category for person in people] == list(said.subjects or ())
    assert {person.nationality for person in people} == {"XB"}
    assert int((people[1].born or "0")[:4]) > 2008, "the minor is the victim, not the convicted"


def test_nobody_is_addressed_unless_said() -> None:
    routing = acted(act(Kind.EXPERTISE, hint(PortionName.BASE))).portions[0].label.routing
    assert (routing.agencies, routing.communities, routing.officers) == ((), (), ())


def test_an_origin_that_nobody_states_is_that_of_the_linked_person() -> None:
    hints = (hint(PortionName.PERSONS, FR),)
    linked = acted(act(Kind.DEBRIEF, *hints, person="xb-victim-1")).portions[0].label.handling
    assert linked.origins == ("XB",)


def test_an_act_without_hints_is_written_as_an_analyst_would() -> None:
    made = acted(act(Kind.BOAT_SUPPLY, engine="engine-3"))
    assert PortionName.BASE in {p.name for p in made.portions}
    assert any(p.label.routing.agencies for p in made.portions)


@pytest.mark.parametrize(
    "bad, words",
    [
        (act(Kind.BOAT_SUPPLY, hint(PortionName.REFERRAL, FR)), "boat_supply has no portion 'referral'"),
        (act(Kind.BOAT_SUPPLY, hint(PortionName.BASE, "fr-none")), "does not know"),
        (act(Kind.BOAT_SUPPLY, hint(PortionName.BASE, "gb-nca/none")), "does not know"),
        (act(Kind.BOAT_SUPPLY, hint(PortionName.BASE), hint(PortionName.BASE)), "stands twice"),
        (act(Kind.BOAT_SUPPLY, hint(PortionName.BASE), motor="x"), "'motor' is no sort of thing"),
    ],
)
def test_an_act_that_asks_in_vain_is_refused_with_words(bad: Act, words: str) -> None:
    with pytest.raises(BadAct, match=words):
        acted(bad)


def test_a_correction_tells_the_same_story_and_says_that_it_corrects() -> None:
    for kind, spec in KINDS.items():
        hints = [hint(PortionName(name), FR) for name in spec.portions]
        first = acted(act(Kind(kind), *hints, name="first"))
        second = acted(
            act(Kind(kind), *hints, name="second").model_copy(update={"corrects": "first"}), revision=2
        )
        assert second.revision == 2
        changed = [
            a.name for a, b in zip(first.portions, second.portions, strict=True) if a.content != b.content
        ]
        assert set(changed) >= set(spec.portions) - {PortionName.REFERRAL}
        for old, new in zip(first.portions, second.portions, strict=True):
            assert old.label == new.label
            same = set(dict(old.content)) - TEXTS - {"account", "persons"}
            assert all(getattr(old.content, field) == getattr(new.content, field) for field in same)
            if old.content != new.content:
                assert "Correction, revision 2" in new.content.model_dump_json()
            type(new.content).model_validate_json(content_bytes(new.content))
