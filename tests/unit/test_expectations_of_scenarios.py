"""A scenario's expectations on evidence made by hand: what holds, what does not and why, and that `channel` can hold.

The evidence is what the arrangement says: each act is written, its labels are decided on by the rules themselves, and
what is released counts as stored a minute later. No broker, no node and no Kafka take part.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from agencies.drafting import Draft, check
from agencies.simulation.script import Act, acted_draft
from broker.policy import Engine
from deploy.scenarios.expectations import ScenarioExpectation, check_screenplay
from deploy.scenarios.loader import find_scenario, read_scenario
from deploy.scenarios.screenplay import Screenplay, make_screenplay
from deploy.stage.evidence import Ledger, Published, Received, StoreEvidence
from schemas.audience import addressed, audience
from schemas.canonical import Domains
from schemas.clock import IDENTITY_CLOCK, ClockMap, ManualClock, Piece
from schemas.entropy import SeededEntropy
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest, RecordId
from schemas.labels import handling_bytes, routing_bytes
from schemas.ledger import Activation, Admitted, LedgerPortion, Quarantined
from schemas.records import bears_persons
from schemas.verdicts import Refused, outcome

_STORED_AFTER_MS = 60_000


def _digest(text: str) -> Digest:
    return Digest(sha256(text.encode()).digest())


class Evidence:
    """Ledgers and stores of a run that went as the arrangement says. `every`: of the background, each n-th act only."""

    def __init__(self, screenplay: Screenplay, every: int = 1) -> None:
        self.screenplay = screenplay
        self.clock = IDENTITY_CLOCK
        self._versions = [(screenplay.start_ms, screenplay.source)]
        for mark in screenplay.marks:
            if mark.change is not None:
                self._versions.append((mark.at_ms + 1, mark.change.apply(self._versions[-1][1])))
        self._digests = [_digest(f"version {n}") for n in range(len(self._versions))]
        domains = Domains(screenplay.source.federation)
        self._engines = [
            Engine(domains, source.policy, source.directory, digest)
            for (_, source), digest in zip(self._versions, self._digests, strict=True)
        ]
        self.stores = {agency: StoreEvidence([], [], []) for agency in screenplay.acts}
        self.ledgers = {agency: Ledger(agency) for agency in screenplay.acts}
        for agency, acts in screenplay.acts.items():
            self._lane(agency, acts, every)

    def _lane(self, lane: AgencyId, acts: tuple[Act, ...], every: int) -> None:
        active, entropy = -1, SeededEntropy(lane.encode())
        records: dict[str, tuple[RecordId, int]] = {}
        leaves = self.ledgers[lane].leaves
        for place, act in enumerate(acts):
            if act.name.startswith("background/") and place % every:
                continue
            written = version = max(n for n, (start, _) in enumerate(self._versions) if start <= act.at_ms)
            at_ms = act.at_ms
            while not self._versions[version][1].directory.signs(lane, at_ms):
                version += 1
                at_ms = self._versions[version][0]
            while active < version:
                active += 1
                leaves.append(Activation(len(leaves), 0, self._digests[active], IDENTITY_CLOCK))
            record_id, revision = records.get(act.corrects or "", (None, 0))
            directory = self._versions[written][1].directory
            draft = acted_draft(
                act,
                directory,
                self.screenplay.seed,
                ManualClock(act.at_ms),
                entropy,
                record_id=record_id,
                revision=revision + 1,
            )
            check(draft, directory)
            records[act.corrects or act.name] = (draft.record_id, draft.revision)
            self._decide(lane, draft, _digest(f"{lane}/{act.name}"), place, (written, version), at_ms)

    def _decide(
        self,
        lane: AgencyId,
        draft: Draft,
        manifest: Digest,
        place: int,
        versions: tuple[int, int],
        at_ms: int,
    ) -> None:
        sealed, directory = (self._versions[n][1].directory for n in versions)
        ledger, number = self.ledgers[lane], len(self.ledgers[lane].leaves)
        contents: dict[str, object] = {p.name: p.content.model_dump(mode="json") for p in draft.portions}
        self.stores[lane].published.append(
            Published(manifest, draft.record_id, place, 0, at_ms, contents, place)
        )
        others = tuple(agency for agency in directory.active(at_ms) if agency != lane)
        if directory.suspended(lane, at_ms):
            refused = Refused.ORIGINATOR_NOT_ACTIVE
            ledger.leaves.append(
                Quarantined(number, at_ms, place, 0, place, refused, draft.record_id, manifest, others)
            )
            return
        whole = surroundings((bears_persons(draft.kind, p.name), p.label.handling) for p in draft.portions)
        portions, released = [], dict[AgencyId, list[str]]()
        for portion in draft.portions:
            label, bears = portion.label, bears_persons(draft.kind, portion.name)
            digest, _, ruling = self._engines[versions[1]].rule(
                originator=lane, kind=draft.kind, portion=portion.name, label=label, record=whole, at_ms=at_ms
            )
            ledger.rulings[digest] = ruling
            sealed_for = audience(label, bears, lane, sealed, draft.created_s * 1000)
            still = sealed_for & addressed(label, lane, directory, at_ms)
            for verdict in ruling.verdicts:
                if verdict.recipient in others and outcome(verdict, verdict.recipient in still) is None:
                    released.setdefault(verdict.recipient, []).append(portion.name)
            portions.append(
                LedgerPortion(
                    portion.name,
                    bytes(32),
                    handling_bytes(label.handling),
                    routing_bytes(label.routing),
                    tuple(sorted(sealed_for)),
                    tuple(sorted(sealed_for - still)),
                    digest,
                )
            )
        ledger.leaves.append(
            Admitted(
                number,
                at_ms,
                place,
                0,
                place,
                draft.revision,
                draft.record_id,
                manifest,
                draft.kind,
                draft.created_s,
                tuple(portions),
                others,
            )
        )
        for recipient, names in released.items():
            line = Received(lane, None, manifest, tuple(names), at_ms + _STORED_AFTER_MS)
            self.stores[recipient].received.append(line)

    def check(self) -> list[ScenarioExpectation]:
        found = check_screenplay(self.screenplay, self.ledgers, self.stores, self.clock)
        assert all(isinstance(e, ScenarioExpectation) for e in found)
        return [e for e in found if isinstance(e, ScenarioExpectation)]


TRIAL = """\
name: trial
title: A trial
arrangement: g7-small
start: 2026-06-01T00:00:00Z
end: 2026-06-02T00:00:00Z
timeline:
  - at: 2026-06-01T08:00:00Z
    publish:
      id: boats
      agency: fr-oltim
      kind: boat_supply
      portions:
        base: {to: [gb-nca, xa-np]}
        sources: {to: [jit-channel, xa-np], caveats: []}
      links: {engine: engine-1}
  - at: 2026-06-01T09:00:00Z
    publish:
      id: advert
      agency: gb-nca
      kind: online_advert
      portions:
        base: {to: [fr-oltim, pf-social], caveats: []}
        referral: {to: pf-social}
      links: {engine: engine-1}
  - at: 2026-06-01T10:00:00Z
    return_case: {id: refugee, agency: it-pds, to: xa-np, subjects: other_party, grounds: minor, origins: XA}
  - at: 2026-06-01T11:00:00Z
    return_case: {id: convict, agency: it-pds, to: xa-np, subjects: convicted, origins: XA, cleared: true}
  - at: 2026-06-01T12:00:00Z
    change:
      note: xa-np is suspended, and the key of it-pds ends at three
      signed_by: [gb-nca, fr-oltim, it-pds]
      suspensions: [{agency: xa-np, start: 2026-06-01T12:00:00Z, reason: review}]
      signing_until: {it-pds: 2026-06-01T15:00:00Z}
  - at: 2026-06-01T13:00:00Z
    publish: {id: refused, agency: xa-np, kind: expertise, portions: {base: {to: gb-nca}}}
  - at: 2026-06-01T14:00:00Z
    publish: {id: to-xa, agency: gb-nca, kind: expertise, portions: {base: {to: [xa-np, it-pds]}}}
  - at: 2026-06-01T16:00:00Z
    publish: {id: held, agency: it-pds, kind: expertise, portions: {base: {to: gb-nca}}}
  - at: 2026-06-01T18:00:00Z
    change:
      note: the key of it-pds is renewed
      signed_by: [gb-nca, fr-oltim, it-pds]
      signing_until: {it-pds: null}
expectations:
  - name: this is expected
"""


@dataclass
class Trial:
    """Evidence of the trial, to be broken by hand."""

    evidence: Evidence

    def manifest(self, act: str) -> tuple[AgencyId, Digest]:
        lane = next(
            agency
            for agency, acts in self.evidence.screenplay.acts.items()
            if any(a.name == act for a in acts)
        )
        return lane, _digest(f"{lane}/{act}")

    def lose(self, agency: str, act: str) -> None:
        """The agency did not store the record."""
        store, (lane, manifest) = self.evidence.stores[AgencyId(agency)], self.manifest(act)
        store.received = [r for r in store.received if (r.lane, r.manifest) != (lane, manifest)]

    def give(self, agency: str, act: str, portion: str) -> None:
        """The agency stored a portion, whatever was decided."""
        lane, manifest = self.manifest(act)
        self.evidence.stores[AgencyId(agency)].received.append(Received(lane, None, manifest, (portion,), 1))

    def unpublish(self, act: str) -> None:
        """The agency never sealed the record."""
        lane, manifest = self.manifest(act)
        store, ledger = self.evidence.stores[lane], self.evidence.ledgers[lane]
        store.published = [p for p in store.published if p.manifest != manifest]
        ledger.leaves = [leaf for leaf in ledger.leaves if getattr(leaf, "manifest", None) != manifest]

    def forget(self, act: str) -> None:
        """No ledger has the record."""
        lane, manifest = self.manifest(act)
        ledger = self.evidence.ledgers[lane]
        ledger.leaves = [leaf for leaf in ledger.leaves if getattr(leaf, "manifest", None) != manifest]

    def date(self, act: str, at_ms: int) -> None:
        """The record was admitted at another time."""
        lane, manifest = self.manifest(act)
        leaves = self.evidence.ledgers[lane].leaves
        for place, leaf in enumerate(leaves):
            if isinstance(leaf, Admitted) and leaf.manifest == manifest:
                leaves[place] = Admitted(leaf.number, at_ms, *list(_fields(leaf))[2:])  # type: ignore[arg-type]

    def rewrite(self, act: str) -> None:
        """The record tells of something else."""
        lane, manifest = self.manifest(act)
        store = self.evidence.stores[lane]
        store.published = [
            replace(p, portions={"base": {"summary": "nothing"}}) if p.manifest == manifest else p
            for p in store.published
        ]

    def place(self, act: str) -> None:
        """The quarantine did not believe what the record says of itself."""
        lane, manifest = self.manifest(act)
        leaves = self.evidence.ledgers[lane].leaves
        for at, leaf in enumerate(leaves):
            if isinstance(leaf, Quarantined) and leaf.manifest == manifest:
                leaves[at] = Quarantined(
                    leaf.number, leaf.at_ms, leaf.offset, leaf.entry, None, leaf.reason, b"", b"", leaf.active
                )


def _fields(leaf: Admitted) -> list[object]:
    return [getattr(leaf, name) for name in leaf.__struct_fields__]


def trial(folder: Path, expected: str) -> Trial:
    path = folder / "trial.yaml"
    path.write_text(TRIAL + "".join(f"    {line}\n" for line in expected.strip().split("\n")))
    return Trial(Evidence(make_screenplay(read_scenario(path))))


Break = Callable[[Trial], None]

BOATS = "about: boats\nportion: base\nhas: [gb-nca, xa-np]"
REFUGEE = "about: refugee\nportion: persons\nhas_not: xa-np\nwhy: protection_gate\nfired: source-state-return"

HELD: dict[str, tuple[str, int]] = {
    "has": (BOATS, 2),
    "has any portion": ("about: boats\nhas: [gb-nca, it-pds, xa-np]", 3),
    "has by role": ("about: boats\nportion: base\nhas: source_state", 1),
    "has only": ("about: boats\nportion: base\nhas_only: [gb-nca, xa-np]", 4),
    "has only, of several portions": ("about: convict\nportion: [base, persons]\nhas_only: xa-np", 8),
    "nobody has": ("about: refugee\nportion: persons\nhas_only: []", 4),
    "has not": ("about: boats\nportion: sources\nhas_not: [xa-np, pf-social]", 2),
    "why by a rule": ("about: boats\nportion: sources\nhas_not: xa-np\nwhy: source-state-no-sources", 1),
    "why, not addressed": ("about: boats\nhas_not: pf-social\nwhy: not_addressed", 1),
    "why, not active": ("about: to-xa\nhas: it-pds\nhas_not: xa-np\nwhy: not_active", 2),
    "the gate in spite of a rule": (REFUGEE, 1),
    "by": (f"{BOATS}\nby: 2026-06-01T08:01:00Z", 2),
    "fired on somebody": ("about: convict\nfired: source-state-return", 1),
    "admitted": ("about: boats\nadmitted: {from: 2026-06-01T08:00:00Z, until: 2026-06-01T08:00:01Z}", 1),
    "held back": ("about: held\nadmitted: {from: 2026-06-01T18:00:00Z}\ndecided_under: 2", 2),
    "quarantined": ("about: refused\nquarantined: originator_not_active\nhas_only: []", 5),
    "decided under": ("about: [boats, advert]\ndecided_under: 0", 2),
    "decided under a later one": ("about: to-xa\ndecided_under: 1", 1),
    "same": ("about: [boats, advert]\nsame: serial", 1),
    "holds only": ("holds_only: {agencies: platform, kinds: online_advert, portions: referral}", 1),
    "where, records": ("where: {kind: boat_supply}\nhas_not: platform", 1),
    "where, portions": ("where: {originator: police}\nportion: [base, sources]\nhas_not: pf-social", 7),
    "where, labels": ("where: {grounds: minor, origins: XA}\nhas_not: xa-np\nwhy: protection_gate", 1),
    "where, addressed": ("where: {to: jit-channel}\nhas: [gb-nca, it-pds]", 2),
    "where, cleared": ("where: {cleared: true}\nhas_only: xa-np", 4),
    "where, tlp": ("where: {tlp: GREEN, kind: [expertise, online_advert]}\nhas_not: xa-np", 3),
    "where, time": ("where: {admitted: {from: 2026-06-01T12:00:00Z}}\nhas_not: xa-np", 2),
}


@pytest.mark.parametrize("expected, cases", HELD.values(), ids=HELD.keys())
def test_what_holds(tmp_path: Path, expected: str, cases: int) -> None:
    (found,) = trial(tmp_path, expected).evidence.check()
    assert (found.name, found.held, found.cases, found.because) == ("this is expected", True, cases, "")


BROKEN: dict[str, tuple[str, Break | None, str]] = {
    "lost": (
        BOATS,
        lambda t: t.lose("gb-nca", "boats"),
        "gb-nca does not have the portion base of 'boats' (released)",
    ),
    "withheld": ("about: boats\nhas: pf-social", None, "(base: not_addressed, sources: not_addressed)"),
    "forbidden": (
        "about: boats\nportion: sources\nhas: xa-np",
        None,
        "(forbidden by source-state-no-sources)",
    ),
    "refused": ("about: refused\nhas: gb-nca", None, "(refused: originator_not_active)"),
    "not active": ("about: to-xa\nhas: xa-np", None, "(not_active)"),
    "never published": (BOATS, lambda t: t.unpublish("boats"), "its agency has not published it"),
    "in no ledger": (
        f"{BOATS}\ndecided_under: 0",
        lambda t: t.forget("boats"),
        "the portion base of 'boats' was not decided on (no ledger knows it)",
    ),
    "leaked": (
        REFUGEE,
        lambda t: t.give("xa-np", "refugee", "persons"),
        "xa-np has the portion persons of 'refugee'",
    ),
    "leaked to a third": (
        "about: boats\nportion: base\nhas_only: [gb-nca, xa-np]",
        lambda t: t.give("pf-social", "boats", "base"),
        "pf-social has the portion base of 'boats'",
    ),
    "leaked, nobody should": (
        "about: refused\nhas_only: []",
        lambda t: t.give("gb-nca", "refused", "base"),
        "gb-nca has 'refused'",
    ),
    "another reason": (
        "about: boats\nportion: sources\nhas_not: xa-np\nwhy: protection_gate",
        None,
        "withheld from xa-np for another reason (forbidden by source-state-no-sources)",
    ),
    "another rule": (
        "about: refugee\nportion: persons\nhas_not: xa-np\nfired: source-state-base",
        None,
        "rule source-state-base says nothing of the portion persons of 'refugee' for xa-np",
    ),
    "no rule": (
        "about: boats\nfired: source-state-return",
        None,
        "rule source-state-return decided on none of it",
    ),
    "no reason of one refused": (
        "about: refused\nhas_not: gb-nca\nwhy: not_addressed",
        None,
        "for another reason (refused: originator_not_active)",
    ),
    "late": (
        f"{BOATS}\nby: 2026-06-01T08:00:59Z",
        None,
        "stored the portion base of 'boats' only at 2026-06-01T08:01",
    ),
    "admitted early": (
        "about: held\nadmitted: {from: 2026-06-01T18:00:00Z}",
        lambda t: t.date("held", 1),
        "'held' was admitted at 1970-01-01T00:00:00.001",
    ),
    "admitted at the end of the span": (
        "about: boats\nadmitted: {until: 2026-06-01T08:00:00Z}",
        None,
        "'boats' was admitted at 2026-06-01T08:00:00.000",
    ),
    "not admitted": ("about: refused\nadmitted: {}", None, "'refused' was not admitted (refused"),
    "not refused": (
        "about: boats\nquarantined: bad_seal",
        None,
        "'boats' was not refused for bad_seal (admitted at",
    ),
    "refused for another reason": (
        "about: refused\nquarantined: bad_seal",
        None,
        "(refused: originator_not_active)",
    ),
    "another version": ("about: to-xa\ndecided_under: 0", None, "'to-xa' was decided on under version 1"),
    "nothing in common": (
        "about: [boats, advert]\nsame: serial",
        lambda t: t.rewrite("advert"),
        "'boats' and 'advert' have no serial in common",
    ),
    "no such field": (
        "about: [boats, advert]\nsame: [colour, smell]",
        None,
        "have no colour or smell in common",
    ),
    "holds more": (
        "holds_only: {agencies: platform, kinds: online_advert, portions: referral}",
        lambda t: t.give("pf-social", "advert", "base"),
        "pf-social holds base of online_advert from gb-nca",
    ),
    "holds what nobody decided": (
        "holds_only: {agencies: platform, kinds: online_advert, portions: referral}",
        lambda t: t.forget("advert"),
        "pf-social holds referral of a record that no ledger knows from gb-nca",
    ),
    "nothing held": (
        "holds_only: {agencies: platform, kinds: online_advert, portions: referral}",
        lambda t: t.lose("pf-social", "advert"),
        "nothing came up that it is about",
    ),
    "nothing chosen": ("where: {kind: debrief}\nhas_not: xa-np", None, "nothing came up that it is about"),
    "nobody else": (
        "where: {kind: boat_supply}\nhas_not: fr-oltim",
        None,
        "nothing came up that it is about",
    ),
    "several": (
        "where: {}\nhas_not: police",
        None,
        "; and ",
    ),
}


@pytest.mark.parametrize("expected, breaking, words", BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_hold_is_told(
    tmp_path: Path, expected: str, breaking: Break | None, words: str
) -> None:
    tried = trial(tmp_path, expected)
    if breaking is not None:
        assert tried.evidence.check()[0].held or "nothing" in words
        breaking(tried)
    (found,) = tried.evidence.check()
    assert not found.held
    assert words in found.because


def test_a_quarantine_that_believed_nothing_is_found_by_its_place(tmp_path: Path) -> None:
    tried = trial(tmp_path, "about: refused\nquarantined: originator_not_active")
    tried.place("refused")
    assert tried.evidence.check()[0].held


def test_what_was_stored_is_dated_by_the_clock_of_the_run(tmp_path: Path) -> None:
    tried = trial(tmp_path, f"{BOATS}\nby: 2026-06-01T08:01:00Z")
    evidence = tried.evidence
    (line,) = (r for r in evidence.stores[AgencyId("gb-nca")].received if r.lane == "fr-oltim")
    begins = line.received_at_ms - 1000
    for ppm, held in ((60_000_000, True), (60_001_000, False)):
        # A second of real time before it was stored, domain time was a minute before.
        evidence.clock = ClockMap((Piece(begins, line.received_at_ms - 60_000, ppm),))
        assert evidence.check()[0].held is held


def test_a_portion_that_came_twice_counts_once(tmp_path: Path) -> None:
    tried = trial(tmp_path, "holds_only: {agencies: platform, kinds: online_advert, portions: referral}")
    tried.give("pf-social", "advert", "referral")
    assert tried.evidence.check()[0].cases == 1


@pytest.mark.parametrize("name, every", [("channel", 25), ("small", 1), ("template", 1)])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_shipped_scenario_expects_follows_from_its_arrangement(
    name: str, every: int, seed: int
) -> None:
    folder = find_scenario("small").parent
    screenplay = make_screenplay(read_scenario(folder / f"{name}.yaml"), seed)
    found = Evidence(screenplay, every).check()
    assert [(e.name, e.because) for e in found if not e.held] == []
    assert len(found) == len(screenplay.expectations)
