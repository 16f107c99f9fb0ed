"""Closing, admission and opening of a record, against JWE + JWS: 3 portions of 1 KiB each, 1 to 200 recipients.

A round makes one full window of fresh records and follows it: closed and sealed, admitted, decided and packed
(not timed here), opened by one recipient; between them JOSE does the same with some records of its own. So no
seal, signature or record is met twice. Keys of a pair (KEKs) are warm: they are made once a day, see `pair`.
All numbers of recipients are measured in one arrangement, whose other members get nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agencies.drafting import Draft
from agencies.judging import Delivered, Judge
from agencies.opening import Opener
from agencies.sealing import Sealer, content_bytes
from broker.admission import AdmittedRecord, VerifiedEnvelope, Window, admit, open_window, verify_envelope
from broker.lane import Lane, fold
from broker.step import build_step
from broker.versions import Version
from schemas.arrangement import Arrangement
from schemas.entropy import SystemEntropy
from schemas.envelope import RecordEntry, parse_submission_entry
from schemas.ids import AgencyId, Digest, record_text
from schemas.labels import handling_bytes
from tests.bench.jose import Jose
from tests.bench.material import CONTENT, RECIPIENTS, message, partners, record, windows
from tests.bench.members import NOW_MS, ORIGINATOR, Members, commit
from tests.bench.rounds import Timer, ratios

GOALS = {"closing": 30.0, "admission": 6.0, "opening": 12.0}
#: Admission once more, against a JOSE broker that reads labels and recipients as well: without them it cannot decide.
READ = "admission, labels read"
STAGES = ("closing", "admission", READ, "opening")
_JOSE_RECIPIENTS = 96  # in a round: so many records of JOSE that they have as many between them
_PROBE = 280  # records that surely fill a window


@dataclass(slots=True)
class Crypto:
    """Ours and theirs, microseconds a record."""

    recipients: int
    window: int
    parcel_bytes: int
    jose_bytes: int
    delivered_bytes: int = 0
    """What one recipient gets of a whole window."""
    ours: dict[str, Timer] = field(default_factory=lambda: {name: Timer() for name in STAGES})
    jose: dict[str, Timer] = field(default_factory=lambda: {name: Timer() for name in STAGES})
    seal: Timer = field(default_factory=Timer)
    """One `seal_window`, tree, signatures and packing: its share of a record is this over `window`."""
    pair_close: Timer = field(default_factory=Timer)
    pair_open: Timer = field(default_factory=Timer)

    @property
    def bound(self) -> bool:
        """Whether goals are set for so many recipients."""
        return self.recipients == RECIPIENTS

    def ratios(self, name: str) -> tuple[float, float]:
        return ratios(self.jose[name], self.ours[name])

    def as_json(self) -> dict[str, Any]:
        return {
            "recipients": self.recipients,
            "portions": 3,
            "content_bytes": CONTENT,
            "rounds": len(self.seal.samples),
            "records_a_window": self.window,
            "bytes_a_record": {
                "ours": self.parcel_bytes // self.window,
                "jose": self.jose_bytes,
                "ours_as_delivered": self.delivered_bytes // self.window,
            },
            **{
                name: {
                    "ours": self.ours[name].as_json(),
                    "joserfc": self.jose[name].as_json(),
                    "ratio_of_min": round(self.ratios(name)[0], 1),
                    "ratio_median": round(self.ratios(name)[1], 1),
                    **(
                        {"goal": GOALS[name], "met": self.ratios(name)[0] >= GOALS[name]}
                        if self.bound and name in GOALS
                        else {}
                    ),
                }
                for name in STAGES
            },
            "seal_a_window": self.seal.as_json(),
            **(
                {
                    "new_pair_a_day": {
                        "closing": self.pair_close.as_json(),
                        "opening": self.pair_open.as_json(),
                    }
                }
                if self.bound
                else {}
            ),
        }


class Known:
    """A lane's past as admission asks for it, in memory."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def capsule(self, digest: Digest) -> bytes | None:
        return self._lane.capsules.get(digest)

    def revision(self, record_id: bytes) -> tuple[int, Digest] | None:
        return self._lane.index.revision(record_id)


class Way:
    """One lane from its originator to one recipient, kept from round to round."""

    def __init__(self, members: Members, recipients: int = RECIPIENTS) -> None:
        self.members = members
        self.recipients = partners(members.directory, ORIGINATOR)[:recipients]
        assert len(self.recipients) == recipients
        self.sealer: Sealer = members.sealer(ORIGINATOR)
        self.lane: Lane = members.lane(ORIGINATOR)
        self.judge: Judge = members.judge(self.recipients[0])
        self.known = Known(self.lane)
        self._offset = 0
        drafts = [self.draft() for _ in range(max(8, min(_PROBE, 4000 // recipients)))]
        data, self.window = next(windows(members.sealer(ORIGINATOR), drafts, 1))
        self.parcel_bytes = len(data)

    @property
    def first(self) -> int:
        return self.lane.state.last_sequence + 1

    def drafts(self) -> list[Draft]:
        """Fresh records that fill a window."""
        return [self.draft() for _ in range(self.window)]

    def draft(self) -> Draft:
        """One fresh record for the recipients."""
        return record(self.members.directory, ORIGINATOR, len(self.recipients))

    def close(self, drafts: Sequence[Draft], seal: Timer | None = None) -> bytes:
        """Close the records and seal their window."""
        first = self.first
        closed = [self.sealer.close_record(draft, first + i) for i, draft in enumerate(drafts)]
        with (seal or Timer()).units(1):
            return self.sealer.seal_window(closed, (), first)

    def fresh(self) -> Version:
        """The arrangement's version with a verifier of seals that knows its keys, and no seal."""
        return self.members.versions()[self.members.arrangement.digest]

    def admit(self, data: bytes, version: Version) -> int:
        """All of a window's records, without the rules: how many. Raises: `AssertionError` if one is refused."""
        arrangement: Arrangement = version.arrangement
        recent = {arrangement.digest: arrangement}
        at_ms = NOW_MS + 1000
        window, _ = open_window(message(data, 0), ORIGINATOR, version, at_ms)
        assert isinstance(window, Window)
        for raw in window.parcel.entries:
            entry = parse_submission_entry(raw)
            assert isinstance(entry, RecordEntry)
            envelope = verify_envelope(entry, window, ORIGINATOR, arrangement.domains)
            assert isinstance(envelope, VerifiedEnvelope)
            one = admit(envelope, window, self.known, version, recent, at_ms)
            assert isinstance(one, AdmittedRecord)
        return len(window.parcel.entries)

    def step(self, data: bytes) -> list[bytes]:
        """Fold, commit and pack; the recipient's parcels."""
        folded = fold(self.lane, [message(data, self._offset)], self.members.versions())
        self._offset += 1
        capsules = {**self.lane.capsules, **folded.capsules}
        m = self.members
        outputs = build_step([(folded, capsules)], m.arrangement, m.broker_pair, SystemEntropy())
        commit(self.lane, folded)
        assert len(folded.shares) == self.window * len(self.recipients)
        return [value for agency, value in outputs.deliver if agency == self.recipients[0]]

    def open(self, parcels: list[bytes]) -> int:
        """Portions opened. Raises: `AssertionError` if anything is bad."""
        opened = 0
        for i, value in enumerate(parcels):
            judged = self.judge.judge(Delivered(0, i, value, bare=True))
            assert not judged.bad
            opened += sum(len(r.opened.portions) for r in judged.received)
        return opened


def run_crypto(members: Members, recipients: int, rounds: int) -> Crypto:
    """Measure; the first round warms and does not count."""
    way = Way(members, recipients)
    jose = Jose(way.recipients)
    sample = way.draft()
    portions = [
        (str(p.name), handling_bytes(p.label.handling).hex(), content_bytes(p.content))
        for p in sample.portions
    ]
    name = record_text(sample.record_id)
    jose_records = max(2, min(16, _JOSE_RECIPIENTS // recipients))
    out = Crypto(recipients, way.window, way.parcel_bytes, len(jose.create(name, portions)))
    for number in range(rounds + 1):
        counts = number > 0
        ours = out.ours if counts else {n: Timer() for n in STAGES}
        theirs = out.jose if counts else {n: Timer() for n in STAGES}
        drafts = way.drafts()
        with ours["closing"].units(way.window):
            data = way.close(drafts, out.seal if counts else None)
        with theirs["closing"].units(jose_records):
            records = [jose.create(name, portions) for _ in range(jose_records)]
        version = way.fresh()
        with ours["admission"].units(way.window):
            admitted = way.admit(data, version)
        assert admitted == way.window
        ours[READ].samples.append(ours["admission"].samples[-1])
        with theirs["admission"].units(jose_records):
            for one in records:
                jose.verify(one)
        with theirs[READ].units(jose_records):
            for one in records:
                assert len(jose.read(one)) == 3
        parcels = way.step(data)
        out.delivered_bytes = sum(map(len, parcels))
        with ours["opening"].units(way.window):
            opened = way.open(parcels)
        assert opened == 3 * way.window
        with theirs["opening"].units(jose_records):
            for one in records:
                assert len(jose.open(one, way.recipients[0])) == 3
    if out.bound:
        _pairs(members, way, out)
    return out


def _pairs(members: Members, way: Way, out: Crypto) -> None:
    """What is paid once for a pair of agencies and a day: the KEK and its capsule, at either end."""
    draft = way.draft()
    mine: AgencyId = way.recipients[0]
    close_new, close_known, open_new, open_known = (Timer() for _ in range(4))
    for _ in range(15):
        sealer = members.sealer(ORIGINATOR)
        with close_new.units(1):
            closed = sealer.close_record(draft, 1)
        with close_known.units(1):
            sealer.close_record(draft, 1)
        lane = members.lane(ORIGINATOR)
        folded = fold(lane, [message(sealer.seal_window([closed], (), 1), 0)], members.versions())
        outputs = build_step(
            [(folded, folded.capsules)], members.arrangement, members.broker_pair, SystemEntropy()
        )
        parcel = next(v for a, v in outputs.deliver if a == mine)
        opener = Opener(mine, members.arrangement.domains, members.keystore(mine).opening)
        first, second = (Judge(mine, members.arrangement, opener, {}) for _ in range(2))
        with open_new.units(1):
            assert first.judge(Delivered(0, 0, parcel, bare=True)).received
        with open_known.units(1):
            assert second.judge(Delivered(0, 0, parcel, bare=True)).received
    out.pair_close.samples.append((close_new.low - close_known.low) / RECIPIENTS)
    out.pair_open.samples.append(open_new.low - open_known.low)
