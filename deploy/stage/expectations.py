"""What must hold after a run, each in one plain sentence, checked on what is stored and what was decided.

Expectations read databases and ledgers, never the code that was to keep them. `cases` says on how many things one
was tried: with none it holds for want of anything that could break it, and the reader can see that.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from deploy.stage.count import Audited, Counts, fates
from deploy.stage.evidence import Ledger, read_only
from schemas.codes import AgencyRole, PortionName, Tlp
from schemas.directory import Directory
from schemas.ids import AgencyId
from schemas.labels import home_of, parse_routing
from schemas.ledger import Admitted
from schemas.records import bears_persons
from schemas.verdicts import Effect


@dataclass(frozen=True, slots=True)
class Expectation:
    """A sentence, whether it held, and on how many cases it was tried."""

    name: str
    held: bool
    cases: int


@dataclass(frozen=True, slots=True)
class Scene:
    """All that expectations may look at."""

    directory: Directory
    ledgers: Mapping[AgencyId, Ledger]
    stores: Mapping[AgencyId, str]
    audited: Audited
    operational: Counts
    roots_equal: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    """A stored portion, with what its label says."""

    holder: AgencyId
    originator: str
    manifest: bytes
    kind: str
    portion: str
    handling: dict[str, object]


def check_all(scene: Scene) -> list[Expectation]:
    """Every expectation on the scene."""
    stored = list(_stored(scene))
    return [
        *_laws(scene),
        _platform_referral_only(scene, stored),
        _gate_in_stores(scene, stored),
        _gate_over_rules(scene, stored),
        _source_state_no_sources(scene, stored),
        _red_by_name(scene, stored),
        _nothing_unreleased(scene),
    ]


def _laws(scene: Scene) -> Iterable[Expectation]:
    a, o = scene.audited.counts, scene.operational
    yield Expectation(
        "the conservation law holds in the audit count", a.conserved and not a.in_flight, a.pairs
    )
    yield Expectation(
        "the conservation law holds in the operational count", o.conserved and not o.in_flight, o.pairs
    )
    yield Expectation("both counts agree on every pair of agencies", a.matrix == o.matrix, len(a.matrix))
    yield Expectation(
        "every ledger replays to the same root, chains and certificates",
        scene.roots_equal,
        len(scene.ledgers),
    )


def _stored(scene: Scene) -> Iterable[_Stored]:
    for holder, url in scene.stores.items():
        with read_only(url) as db:
            rows = db.exec_driver_sql(
                "SELECT p.originator, p.manifest, r.kind, p.portion, p.handling FROM portions p JOIN records r "
                "ON r.originator = p.originator AND r.record_id = p.record_id AND r.manifest = p.manifest"
            ).fetchall()
        for originator, manifest, kind, portion, handling in rows:
            yield _Stored(holder, originator, manifest, kind, portion, json.loads(handling))


def _of_role(scene: Scene, role: AgencyRole) -> set[str]:
    return {a.id for a in scene.directory.agencies if a.role is role}


def _all(name: str, cases: Iterable[_Stored], right: Callable[[_Stored], bool]) -> Expectation:
    results = [right(case) for case in cases]
    return Expectation(name, all(results), len(results))


def _platform_referral_only(scene: Scene, stored: list[_Stored]) -> Expectation:
    platforms = _of_role(scene, AgencyRole.PLATFORM)
    return _all(
        "a platform holds referral portions of online adverts and nothing else",
        (s for s in stored if s.holder in platforms),
        lambda s: (s.kind, s.portion) == ("online_advert", PortionName.REFERRAL),
    )


def _source_state_no_sources(scene: Scene, stored: list[_Stored]) -> Expectation:
    states = _of_role(scene, AgencyRole.SOURCE_STATE)
    return _all(
        "a source state holds nothing of how anything became known",
        (s for s in stored if s.holder in states),
        lambda s: s.portion != PortionName.SOURCES,
    )


def _gate_in_stores(scene: Scene, stored: list[_Stored]) -> Expectation:
    """Written apart from `schemas.gate`, from the words of the specification."""

    def right(s: _Stored) -> bool:
        h, holder = s.handling, scene.directory.agency(s.holder)
        subjects = set(h["subjects"])  # type: ignore[call-overload]
        cleared = h["protection_cleared"] and subjects <= {"suspect", "convicted"} and not h["grounds"]
        if cleared:
            return True
        if not holder.states or holder.exposed_states is None or "ZZ" in h["origins"]:  # type: ignore[operator]
            return False
        return not ({*holder.states, *holder.exposed_states} & set(h["origins"]))  # type: ignore[call-overload]

    return _all(
        "no protected person's data is held by the state of origin or anybody exposed to it",
        (s for s in stored if bears_persons(s.kind, s.portion)),
        right,
    )


def _gate_over_rules(scene: Scene, stored: list[_Stored]) -> Expectation:
    held = {(s.holder, s.originator, s.manifest, s.portion) for s in stored}
    stopped = [
        (verdict.recipient, lane, leaf.manifest, portion)
        for lane, leaf, portion, verdict, _ in fates(scene.ledgers)
        if verdict.barred and verdict.effect is Effect.PERMIT
    ]
    return Expectation(
        "the protection gate stops what a rule would permit", held.isdisjoint(stopped), len(stopped)
    )


def _red_by_name(scene: Scene, stored: list[_Stored]) -> Expectation:
    routings = {
        (str(lane), leaf.manifest, portion.name): parse_routing(portion.routing)
        for lane, ledger in scene.ledgers.items()
        for leaf in ledger.leaves
        if isinstance(leaf, Admitted)
        for portion in leaf.portions
    }

    def right(s: _Stored) -> bool:
        routing = routings[s.originator, s.manifest, s.portion]
        return s.holder in {*routing.agencies, *map(home_of, routing.officers)}

    red = (s for s in stored if s.handling["tlp"] == Tlp.RED)
    return _all("TLP:RED is held by named recipients only", red, right)


def _nothing_unreleased(scene: Scene) -> Expectation:
    pairs = scene.audited.counts.withheld
    return Expectation(
        "nobody holds a portion that the originator's ledger does not prove released",
        scene.audited.leaked == 0,
        pairs,
    )
