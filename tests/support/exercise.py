"""A run of the arrangement `g7` in memory: real keys, seals and folds, ledgers that grow, and a report of it all.

What is released counts as stored a second later; no Kafka, no node and no broker process take part.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import cast

from sqlalchemy import create_engine

from agencies.drafting import Draft
from agencies.keystore import IDENTITY, Keystore
from agencies.simulation.script import Act, PortionHint, acted_draft
from agencies.store.tables import metadata
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.versions import ReadyHistory
from deploy.arrangements import SHIPPED, ArrangementSource, read_arrangement
from deploy.ceremony import Ceremony, agency_folder, hold_ceremony
from deploy.pki import Authority
from deploy.scenarios.marks import Change, Mark
from deploy.scenarios.screenplay import Screenplay
from deploy.secretariat import countersigned, propose_version
from deploy.stage.count import Audited, Counts, operational, reasons_of
from deploy.stage.director import Report
from deploy.stage.events import Event, chronicle
from deploy.stage.evidence import Ledger
from deploy.stage.expectations import Expectation
from deploy.stage.run import Run, RunRecord
from deploy.stage.services import Services
from deploy.stage.work import PlanWork
from schemas.clock import IDENTITY_CLOCK, ManualClock
from schemas.codes import Kind
from schemas.directory import Directory
from schemas.entropy import SeededEntropy
from schemas.ids import AgencyId, RecordId
from schemas.keys import SigningPair
from schemas.ledger import LeafEntry, RulingEntry, parse_leaf
from schemas.rulings import parse_ruling, ruling_digest
from tests.support.federation import commit, message
from tests.support.members import Members, make_members


@cache
def _ceremony() -> Ceremony:
    """One for all tests of a process: keys cost time and hold no state."""
    return hold_ceremony(read_arrangement(SHIPPED / "g7"), Path(mkdtemp()), Authority.create())


@cache
def _members() -> Members:
    ceremony = _ceremony()
    agencies = ceremony.arrangement.directory.agency_ids
    stores = {a: Keystore(ceremony.agency(a) / "keys") for a in agencies}
    identities = {
        a: SigningPair.from_seeds((ceremony.agency(a) / "offline" / IDENTITY).read_bytes()) for a in agencies
    }
    broker = SigningPair.from_seeds((ceremony.broker / "keys" / "signing.key").read_bytes())
    return make_members(
        ceremony.arrangement,
        identities,
        {a: store.signing for a, store in stores.items()},
        {a: store.opening for a, store in stores.items()},
        broker,
    )


class Exercise:
    """Sixteen lanes of `g7`, each folded as it is published to. Domain time is the time of the log."""

    def __init__(self) -> None:
        ceremony, self.members = _ceremony(), _members()
        self.source = read_arrangement(SHIPPED / "g7")
        self.history = ReadyHistory(ceremony.arrangement.digest)
        self.history.read(ceremony.genesis)
        self.ledgers: dict[AgencyId, Ledger] = {}
        self.drafts: list[Draft] = []
        self._lanes: dict[AgencyId, Lane] = {}
        self._sealers = {a: self.members.sealer(a) for a in self.agencies}
        self._sequences: Counter[str] = Counter()
        for agency in self.agencies:
            self._lanes[agency] = Lane(agency, EMPTY_LANE, {}, {}, MemoryIndex())
            self.ledgers[agency] = Ledger(agency)
            self._activate(agency)

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        return self.source.directory.agency_ids

    @property
    def directory(self) -> Directory:
        return self.history.current.arrangement.directory

    def publish(
        self,
        agency: str,
        at_ms: int,
        kind: Kind,
        *portions: PortionHint,
        name: str = "",
        corrects: Draft | None = None,
    ) -> Draft:
        """A record, written, sealed, admitted and decided at the instant."""
        lane = self._lanes[AgencyId(agency)]
        act = Act(
            name=name or f"{agency} {at_ms} {self._sequences[agency]}",
            agency=AgencyId(agency),
            at_ms=at_ms,
            kind=kind,
            portions=portions,
        )
        draft = acted_draft(
            act,
            self.directory,
            1,
            ManualClock(at_ms),
            SeededEntropy(act.name.encode()),
            record_id=None if corrects is None else RecordId(corrects.record_id),
            revision=corrects.revision + 1 if corrects else 1,
        )
        self._sequences[agency] += 1
        number, sealer = self._sequences[agency], self._sealers[AgencyId(agency)]
        value = sealer.seal_window([sealer.close_record(draft, number)], (), number)
        source = message(value, lane.state.next_offset, at_ms)
        self._take(lane, fold(lane, [source], self.history.ready))
        self.drafts.append(draft)
        return draft

    def lose(self, agency: str, records: int) -> None:
        """Let records be sealed that nobody ever sees."""
        self._sequences[agency] += records

    def change(self, source: ArrangementSource) -> None:
        """A new version, signed, and active in every lane."""
        current = self.history.current.arrangement
        signers = dict(list(self.members.identities.items())[: current.body.threshold])
        self.history.read(countersigned(propose_version(current, source), current, signers))
        self.source = source
        for agency in self.agencies:
            self._sealers[agency].adopt(self.history.current.arrangement)
            self._activate(agency)

    def directed(self, **parts: object) -> ArrangementSource:
        """The arrangement with parts of its directory exchanged."""
        before = self.source.directory
        kept = {name: getattr(before, name) for name in Directory.model_fields}
        return replace(self.source, directory=Directory.model_validate({**kept, **parts}))

    def _activate(self, agency: AgencyId) -> None:
        lane, version = self._lanes[agency], self.history.current.arrangement
        offset = lane.state.next_offset
        self._take(lane, activate(lane, version.digest, offset, IDENTITY_CLOCK, version.domains))

    def _take(self, lane: Lane, folded: Folded) -> None:
        ledger = self.ledgers[lane.id]
        for entry in folded.ledger:
            if isinstance(entry, LeafEntry):
                ledger.leaves.append(parse_leaf(entry.leaf))
            elif isinstance(entry, RulingEntry):
                digest = ruling_digest(self.members.domains, entry.ruling)
                ledger.rulings[digest] = parse_ruling(entry.ruling)
        commit(lane, folded)

    def events(self, *told: Event) -> tuple[Event, ...]:
        """The whole chronicle."""
        return chronicle(self.ledgers, self.history.versions, told)

    def report(self, *expectations: Expectation) -> Report:
        """A report of the run, in which everything that was released has arrived."""
        known = operational(self.ledgers)
        counts = Counts()
        for (originator, recipient), fates in known.matrix.items():
            for fate, count in fates.items():
                for _ in range(count):
                    counts.add(originator, recipient, "delivered" if fate == "in_flight" else fate)
        audited = Audited(counts, published=len(self.drafts))
        audited.latencies_ms = [40 + 7 * n for n in range(counts.delivered)]
        audited.last_ms = 1000
        report = Report(
            audited, counts, reasons_of(self.ledgers), list(expectations), [("broker", 2.13)], True
        )
        report.ledgers, report.events = self.ledgers, self.events()
        return report

    def services(self, folder: Path, source: ArrangementSource | None = None) -> Services:
        """What the show asks of services: nothing of them runs."""
        run = Run.create(folder, RunRecord(arrangement="g7", seed=1, records=len(self.drafts)))
        for agency in self.agencies:
            agency_folder(run.folder, agency).mkdir(parents=True)
            engine = create_engine(run.store(agency))
            metadata.create_all(engine)
            engine.dispose()
        source = source or self.source
        return cast(
            Services,
            SimpleNamespace(
                run=run,
                source=source,
                agencies=source.directory.agency_ids,
                work=PlanWork(source.directory, 1, len(self.drafts)),
                secretariat=SimpleNamespace(history=self.history),
            ),
        )

    def screenplay(self, title: str, start_ms: int, end_ms: int, *notes: str) -> Screenplay:
        """A scenario of that title, with a mark and a change of each note."""
        step = (end_ms - start_ms) // (len(notes) + 1)
        marks: Sequence[Mark] = [
            Mark(start_ms + (n + 1) * step, note, Change(note, self.agencies[:2], lambda source: source))
            for n, note in enumerate(notes)
        ]
        quiet = Mark(start_ms + 1, "a halt", None)
        return Screenplay("exercise", title, self.source, 1, start_ms, end_ms, {}, (quiet, *marks), ())
