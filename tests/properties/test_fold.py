"""The fold does not depend on how the log is cut, and a recipient's view not on what it is not given."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agencies.drafting import Draft
from agencies.judging import Delivered
from agencies.sealing import Control
from broker.admission import SourceMessage
from broker.index import MemoryIndex
from broker.lane import Lane, fold
from broker.ledger_replay import replay_ledger
from broker.release import Share
from broker.replay import replay
from broker.step import state_records
from broker.versions import Version, make_version
from schemas.arrangement import sign_version, verify_successor
from schemas.capsules import capsule_bytes, parse_capsule
from schemas.certificate import parse_certificate
from schemas.clock import IDENTITY_CLOCK
from schemas.codes import PortionName, Tlp
from schemas.controls import ControlCode, Receipt, receipt_bytes
from schemas.directory import Directory, Suspension
from schemas.entropy import SeededEntropy
from schemas.envelope import (
    Addressee,
    DeliveryEntry,
    HeadEntry,
    RecordEntry,
    parse_broker_only,
    parse_deliver_entry,
    parse_submission_entry,
)
from schemas.frames import BadFrame, Parcel, parse_parcel
from schemas.ids import AgencyId, CommunityId, Digest
from schemas.labels import Label, Routing, handling_bytes, routing_bytes
from schemas.ledger import (
    Activation,
    Admitted,
    ControlNoted,
    LeafEntry,
    LedgerEntry,
    Quarantined,
    RulingEntry,
    entry_bytes,
    leaf_bytes,
    parse_leaf,
    parse_ledger_entry,
)
from schemas.rulings import ruling_digest
from schemas.verdicts import Refused
from tests.support.drafts import base, draft, handling, label, plain, record_id, sources
from tests.support.federation import NOW_MS, commit, drafts, leaves, message, parcel
from tests.support.forge import edit, edit_entry, flip
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT, XA

FEW = settings(deadline=None, max_examples=20)


@cache
def log() -> tuple[SourceMessage, ...]:
    """A lane with everything in it: plans, corrections, receipts, resends, gaps, garbage, refused and equal records."""
    m, source = members(), random.Random("log")
    sealer = m.sealer(GB, SeededEntropy(b"log"))
    receipt = Control("receipt", record_id("r"), receipt_bytes(Receipt(FR, 0, 2, bytes(32), ())))
    values = [
        parcel(sealer, drafts(GB, 5, start=5 * i), 1 + 5 * i, [receipt] if i % 2 else []) for i in range(6)
    ]
    corrections = [plain("c", FR, revision=n) for n in (1, 2, 4, 3)]
    values.append(parcel(sealer, corrections, 31))
    values.append(values[2])
    values.append(parcel(sealer, [plain("gap", FR, IT)], 40))
    values.append(parcel(sealer, [plain("reused", FR)], 31))
    values.append(parcel(sealer, [plain("passed", FR)], 37))
    values.append(values[1])  # in a message with a key
    for at in (0, 3, 6):
        values.append(flip(values[at], source.randrange(8 * len(values[at]))))
        values.append(source.randbytes(100))
    values.append(parcel(sealer, [plain("last", FR, IT, XA)], 41))
    sealer.forget_keys()  # a capsule first comes with a record that is refused, among others that nobody names
    expired = draft("expired", (PortionName.BASE, base(), label(FR, by=handling(retain_until=1))))
    values.append(edit(parcel(sealer, [expired], 42), _strays))
    values.append(parcel(sealer, [plain("after", FR)], 43))
    return tuple(
        SourceMessage(i, NOW_MS + source.randrange(-500, 5000), value, i != 11)
        for i, value in enumerate(values)
    )


def _strays(p: Parcel) -> Parcel:
    capsule = parse_capsule(p.capsules[0])
    strays = (capsule_bytes(msgspec.structs.replace(capsule, sealed=bytes([i]) * 1120)) for i in range(3))
    return msgspec.structs.replace(p, capsules=(*p.capsules, *strays))


@dataclass
class Walk:
    """All that folding a log comes to."""

    ledger: list[bytes]
    shares: list[tuple[AgencyId, Share]]
    forwards: list[object]
    state: list[tuple[bytes, bytes]]
    root: bytes


def walk(m: Members, lane: Lane, messages: Sequence[SourceMessage], cuts: Iterator[int]) -> Walk:
    out = Walk([], [], [], [], b"")
    at = 0
    state: dict[bytes, bytes] = {}
    while at < len(messages):
        size = next(cuts)
        folded = fold(lane, messages[at : at + size], m.versions)
        commit(lane, folded)
        out.ledger += map(entry_bytes, folded.ledger)
        out.shares += folded.shares
        out.forwards += folded.forwards
        state |= dict(state_records(folded))
        at += size
    out.state = sorted(state.items())
    out.root = lane.state.ledger.root()
    return out


@cache
def whole() -> Walk:
    m = members()
    return walk(m, m.lane(GB), log(), repeat(len(log())))


def test_the_log_has_everything_in_it() -> None:
    m = members()
    found = leaves(fold(m.lane(GB), log(), m.versions))
    assert {type(leaf).__name__ for leaf in found} == {
        "Admitted",
        "Quarantined",
        "Duplicate",
        "Gap",
        "ControlNoted",
    }
    reasons = {leaf.reason for leaf in found if isinstance(leaf, Quarantined)}
    assert reasons >= {
        Refused.BAD_REVISION,
        Refused.SEQUENCE_REUSED,
        Refused.SEQUENCE_PASSED,
        Refused.BAD_MAGIC,
        Refused.KAFKA_KEY_OR_HEADERS,
        Refused.EXPIRED,
    }
    assert isinstance(found[-1], Admitted)
    named = {a.capsule for value in log() if value.bare for a in _audience(value.value)}
    kept = [key for key, _ in whole().state if b"/capsule/" in key]
    assert 0 < len(kept) <= len(named)
    assert {bytes.fromhex(key.decode().rpartition("/")[2]) for key in kept} <= named


def _audience(value: bytes) -> Iterator[Addressee]:
    with contextlib.suppress(BadFrame):
        for data in parse_parcel(value).entries:
            entry = parse_submission_entry(data)
            if isinstance(entry, RecordEntry):
                yield from parse_broker_only(entry.broker_only).audience


@FEW
@given(st.lists(st.integers(1, 6), min_size=24, max_size=24))
def test_any_cuts_give_the_same_bytes(sizes: list[int]) -> None:
    m = members()
    assert walk(m, m.lane(GB), log(), iter(sizes)) == whole()


@FEW
@given(st.lists(st.integers(1, 6), min_size=24, max_size=24))
def test_the_index_knows_what_it_would_learn_from_the_ledger(sizes: list[int]) -> None:
    m = members()
    lane, learnt = m.lane(GB), MemoryIndex()
    for data in walk(m, lane, log(), iter(sizes)).ledger:
        entry = parse_ledger_entry(data)
        named = ruling_digest(m.domains, entry.ruling) if isinstance(entry, RulingEntry) else None
        learnt.learn(entry, named)
    assert isinstance(lane.index, MemoryIndex)
    assert lane.index.sequences == learnt.sequences
    assert lane.index.rulings == learnt.rulings
    assert lane.index.records == learnt.records


@cache
def second() -> Version:
    """A version after the genesis, in which IT is suspended."""
    m = members()
    directory = m.arrangement.directory
    suspended = (*directory.suspensions, Suspension(agency=IT, reason="a test"))
    body = m.arrangement.body.model_copy(
        update={
            "number": 1,
            "predecessor": m.arrangement.digest.hex(),
            "directory": directory.model_copy(update={"suspensions": suspended}),
        }
    )
    return make_version(verify_successor(sign_version(body, m.identities), m.arrangement))


@FEW
@given(
    st.lists(st.integers(1, 6), min_size=40, max_size=40),
    st.integers(0, 10),
    st.integers(0, 10),
    st.lists(st.integers(1, 6), min_size=40, max_size=40),
)
def test_activations_between_messages_replay_equal(
    sizes: list[int], turn: int, pause: int, cuts: list[int]
) -> None:
    """Version and clock change at offsets; what lies before is decided under the old ones, whatever the cuts."""
    m = members()
    versions = {**m.versions, second().arrangement.digest: second()}
    clock = IDENTITY_CLOCK.runs(NOW_MS, 0, NOW_MS + 86_400_000)
    turns = [Activation(0, 0, m.arrangement.digest, IDENTITY_CLOCK)]
    turns.append(Activation(0, turn, second().arrangement.digest, IDENTITY_CLOCK))
    turns.append(Activation(0, turn + pause, second().arrangement.digest, clock))
    one, two = (replay(GB, log(), turns, versions, iter(way)) for way in (sizes, cuts))
    assert (one.root, one.certificates, one.heads) == (two.root, two.certificates, two.heads)
    noted = [parse_leaf(e.leaf) for e in one.ledger if isinstance(e, LeafEntry)]
    assert [leaf.offset for leaf in noted if isinstance(leaf, Activation)] == [0, turn, turn + pause]
    for leaf in noted:
        if isinstance(leaf, Admitted):
            assert (IT in leaf.active) is (leaf.offset < turn)
            assert (leaf.at_ms >= NOW_MS + 86_400_000) is (leaf.offset >= turn + pause)


@FEW
@given(st.integers(0, 10), st.integers(0, 10))
def test_the_ledger_alone_gives_the_same_certificates_and_chains(turn: int, pause: int) -> None:
    m = members()
    versions = {**m.versions, second().arrangement.digest: second()}
    turns = [Activation(0, 0, m.arrangement.digest, IDENTITY_CLOCK)]
    turns.append(Activation(0, turn, second().arrangement.digest, IDENTITY_CLOCK))
    turns.append(
        Activation(0, turn + pause, second().arrangement.digest, IDENTITY_CLOCK.runs(NOW_MS, 0, NOW_MS))
    )
    log_replayed = replay(GB, log(), turns, versions, repeat(3))
    again = replay_ledger(GB, log_replayed.ledger, versions)
    assert again.differences == []
    assert (again.root, again.leaves) == (log_replayed.root, log_replayed.leaves)
    assert again.certificates == log_replayed.certificates
    assert again.heads == log_replayed.heads
    assert len(again.places) == sum(map(len, again.certificates.values())) > 10


def _edited(change: Callable[[Admitted], Admitted]) -> list[LedgerEntry]:
    """The ledger with its first admitted leaf of several agencies changed, as a broker that lies would write it."""
    m = members()
    activation = Activation(0, 0, m.arrangement.digest, IDENTITY_CLOCK)
    entries = list(replay(GB, log(), [activation], m.versions, repeat(3)).ledger)
    for at, entry in enumerate(entries):
        leaf = parse_leaf(entry.leaf) if isinstance(entry, LeafEntry) else None
        if isinstance(leaf, Admitted) and any(p.audience for p in leaf.portions):
            entries[at] = LeafEntry(leaf_bytes(change(leaf)))
            break
    return entries


def _portion(leaf: Admitted, **changes: object) -> Admitted:
    first = next(i for i, p in enumerate(leaf.portions) if p.audience)
    portions = [*leaf.portions]
    portions[first] = msgspec.structs.replace(portions[first], **changes)
    return msgspec.structs.replace(leaf, portions=tuple(portions))


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda leaf: _portion(leaf, ruling=bytes(32)), "names another ruling"),
        (lambda leaf: _portion(leaf, departed=(IT,)), "addressed no longer"),
        (lambda leaf: msgspec.structs.replace(leaf, active=leaf.active[1:]), "other active agencies"),
        (lambda leaf: msgspec.structs.replace(leaf, number=99), "bears the number 99"),
        (lambda leaf: msgspec.structs.replace(leaf, kind="gossip"), "that admission refuses"),
        (lambda leaf: _portion(leaf, handling=b"\x90"), "that admission refuses"),
    ],
)
def test_a_ledger_that_contradicts_its_arrangement_is_told(
    change: Callable[[Admitted], Admitted], what: str
) -> None:
    found = replay_ledger(GB, _edited(change), members().versions).differences
    assert any(what in difference for difference in found), found


def test_another_commitment_in_a_leaf_gives_another_chain() -> None:
    versions = members().versions
    honest = replay_ledger(GB, _edited(lambda leaf: leaf), versions)
    lied = replay_ledger(GB, _edited(lambda leaf: _portion(leaf, commitment=bytes(32))), versions)
    assert honest.differences == lied.differences == []
    assert honest.heads != lied.heads


@FEW
@given(st.lists(st.integers(1, 6), min_size=24, max_size=24))
def test_a_replay_gives_what_was_committed(sizes: list[int]) -> None:
    m = members()
    activation = Activation(0, 0, m.arrangement.digest, IDENTITY_CLOCK)
    again = replay(GB, log(), [activation], m.versions, iter(sizes))
    entries: list[LedgerEntry] = again.ledger
    assert [entry_bytes(e) for e in entries[1:]] == whole().ledger
    assert again.root == whole().root
    certificates: dict[AgencyId, list[bytes]] = {}
    for recipient, share in whole().shares:
        certificates.setdefault(recipient, []).append(share.certificate)
    assert again.certificates == certificates


@FEW
@given(st.data())
def test_messages_that_were_folded_before_change_no_chain(data: st.DataObject) -> None:
    """Any part of the log again, at the end: not one delivery more."""
    m = members()
    again = data.draw(st.lists(st.sampled_from(log()), max_size=8))
    messages = [
        *log(),
        *(SourceMessage(len(log()) + i, r.append_ms, r.value, r.bare) for i, r in enumerate(again)),
    ]
    after = walk(m, m.lane(GB), messages, repeat(len(messages)))
    assert after.shares == whole().shares


# What a recipient is not given leaves no trace in what it is given


#: Addressed to IT by its team and sealed for it, and then forbidden by a rule: RED is for who is named.
FORBIDDEN = Label(handling(tlp=Tlp.RED), Routing((), (CommunityId("jit-channel"),), ()))


def shares_of(found: Sequence[tuple[AgencyId, Share]], recipient: AgencyId) -> list[Share]:
    return [share for to, share in found if to == recipient]


@FEW
@given(
    st.lists(st.sampled_from(["seen", "other", "refused", "forbidden"]), min_size=2, max_size=7),
    st.integers(0, 2**32),
)
def test_a_withheld_record_in_the_lane_changes_no_byte_of_a_recipients_shares(
    kinds: list[str], seed: int
) -> None:
    """With the records that IT is not given, without them, and with noise in their place."""
    m = members()
    sealer = m.sealer(GB, SeededEntropy(str(seed).encode()))

    def made(i: int, kind: str) -> bytes:
        to = {"seen": label(FR, IT), "other": label(FR), "refused": label(IT), "forbidden": FORBIDDEN}[kind]
        wanted = draft(f"{seed}/{i}", (PortionName.BASE, base(), to), revision=2 if kind == "refused" else 1)
        value = parcel(sealer, [wanted], i)
        sealer.forget_keys()  # each window brings its own capsules, so that any of them may be left out
        return value

    values = [made(i, kind) for i, kind in enumerate(kinds, 1)]

    def view(pick: Callable[[str, bytes], bytes | None]) -> tuple[list[Share], object]:
        kept = [(i, pick(k, v)) for i, (k, v) in enumerate(zip(kinds, values, strict=True))]
        lane = m.lane(GB)
        messages = [SourceMessage(i, NOW_MS + 1000 + i, v, True) for i, v in kept if v is not None]
        walked = walk(m, lane, messages, repeat(3))
        return shares_of(walked.shares, IT), lane.heads.get(IT)

    full = view(lambda _, v: v)
    assert len(full[0]) == kinds.count("seen")
    assert view(lambda k, v: v if k == "seen" else None) == full
    assert view(lambda k, v: v if k == "seen" else b"noise") == full


Shape = list[object]


def shape(value: bytes) -> Shape:
    """Everything of a deliver parcel that has a length, a number or a name, and is not a random value."""
    data = parse_parcel(value)
    out: Shape = [len(value), data.first, [len(s) for s in data.seals], [len(c) for c in data.capsules]]
    for raw in data.entries:
        entry = parse_deliver_entry(raw)
        if isinstance(entry, HeadEntry):
            out.append([len(raw), entry.lane, entry.number, entry.seal, len(entry.path)])
            continue
        assert isinstance(entry, DeliveryEntry)
        certificate = parse_certificate(entry.certificate)
        portions = [
            [p.name, p.handling, len(p.ciphertext), len(p.wrap), p.capsule, len(p.routing)]
            for p in entry.portions
        ]
        rules = [r.rule for r in certificate.rules]
        out.append(
            [
                len(raw),
                len(entry.manifest),
                len(entry.path),
                entry.seal,
                portions,
                certificate.number,
                len(certificate.released),
                certificate.admitted_ms,
                rules,
                len(entry.certificate),
            ]
        )
    return out


def seen(m: Members, items: Sequence[Draft], recipient: AgencyId, seed: int) -> list[Shape]:
    sealer = m.sealer(GB, SeededEntropy(str(seed).encode()))
    parcels = m.delivered(GB, parcel(sealer, items))
    judge = m.judge(recipient)
    for value in parcels.get(recipient, []):
        assert not judge.judge(Delivered(0, 0, value, True)).bad
    return [shape(value) for value in parcels.get(recipient, [])]


@FEW
@given(
    st.lists(st.sampled_from(["one", "also others", "more portions", "withheld"]), min_size=1, max_size=6),
    st.integers(0, 2**32),
)
def test_a_portion_or_record_that_is_withheld_looks_like_one_that_was_never_written(
    kinds: list[str], seed: int
) -> None:
    """Every length, number and index that IT sees is the same, in one window, whatever else is in its records."""
    m = members()
    ours = label(IT)

    def made(i: int, kind: str) -> Draft:
        portions = [(PortionName.BASE, base(f"Summary {i}"), ours)]
        if kind == "also others":
            portions = [(PortionName.BASE, base(f"Summary {i}"), label(FR, IT, XA))]
        extra = [(PortionName.SOURCES, sources("Only for one " * 90), label(FR))]
        return draft(f"{seed}/{i}", *portions, *(extra if kind == "more portions" else []))

    with_all = [plain(f"{seed}/{i}", FR) if k == "withheld" else made(i, k) for i, k in enumerate(kinds)]
    alone = [made(i, "one") for i, k in enumerate(kinds) if k != "withheld"]
    if not alone:
        assert seen(m, with_all, IT, seed) == []
        return
    assert seen(m, with_all, IT, seed) == seen(m, alone, IT, seed + 1)


# Who is suspended, and what was changed after sealing


@FEW
@given(st.integers(1, 12), st.integers(0, 27 * 86_400_000 - 1), st.integers(1, 4))
def test_a_suspended_originators_records_are_all_quarantined(count: int, into_ms: int, size: int) -> None:
    m = members()
    (suspension,) = m.arrangement.directory.suspensions
    assert (suspension.agency, suspension.start_ms is None) == (XA, False)
    assert suspension.start_ms is not None
    at_ms = suspension.start_ms + into_ms
    sealer, lane = m.sealer(XA), m.lane(XA)
    values = []
    for first in range(1, count + 1, size):
        items = [plain(i, GB) for i in range(first, min(first + size, count + 1))]
        values.append(parcel(sealer, items, first))
    out = fold(lane, [SourceMessage(i, at_ms, v, True) for i, v in enumerate(values)], m.versions)
    found = leaves(out)
    assert len(found) == count
    assert {leaf.reason for leaf in found if isinstance(leaf, Quarantined)} == {Refused.ORIGINATOR_NOT_ACTIVE}
    assert not out.shares
    assert out.state.last_sequence == count


def test_a_suspended_agencys_receipts_pass() -> None:
    """They say what it stored before; without them its pairs would be in flight for ever."""
    m = members()
    (suspension,) = m.arrangement.directory.suspensions
    assert suspension.start_ms is not None
    receipt = Control(ControlCode.RECEIPT, b"\1" * 16, receipt_bytes(Receipt(GB, 0, 1, b"\2" * 32, ())))
    value = m.sealer(XA).seal_window([m.sealer(XA).close_record(plain(1, GB), 1)], [receipt], 1)
    out = fold(m.lane(XA), [SourceMessage(0, suspension.start_ms, value, True)], m.versions)
    refused, noted = leaves(out)
    assert isinstance(refused, Quarantined)
    assert isinstance(noted, ControlNoted)
    assert noted.to == GB
    assert [forward.to for forward in out.forwards] == [GB]


@FEW
@given(st.data())
def test_a_label_or_audience_changed_after_sealing_is_refused(data: st.DataObject) -> None:
    m = members()
    directory: Directory = m.arrangement.directory
    value = _two_portions()
    which = data.draw(st.integers(0, 1))
    what = data.draw(st.sampled_from(["handling", "routing", "salt", "routing_salt", "audience", "swap"]))
    to = data.draw(st.lists(st.sampled_from(directory.agency_ids), unique=True))
    tlp = data.draw(st.sampled_from([Tlp.CLEAR, Tlp.AMBER, Tlp.RED]))
    bit = data.draw(st.integers(0, 127))

    def change(entry: RecordEntry) -> RecordEntry:
        slot = entry.portions[which]
        match what:
            case "handling":
                slot = msgspec.structs.replace(slot, handling=handling_bytes(handling(tlp=tlp)))
            case "routing":
                slot = msgspec.structs.replace(slot, routing=routing_bytes(label(*to).routing))
            case "salt":
                slot = msgspec.structs.replace(slot, salt=flip(slot.salt, bit))
            case "routing_salt":
                slot = msgspec.structs.replace(slot, routing_salt=flip(slot.routing_salt, bit))
            case "swap":
                other = entry.portions[1 - which]
                slot = msgspec.structs.replace(slot, handling=other.handling, routing=other.routing)
            case _:
                names = entry.broker_only.replace(b"it-pds", b"xa-np\0")
                return msgspec.structs.replace(entry, broker_only=names)
        portions = tuple(slot if i == which else p for i, p in enumerate(entry.portions))
        return msgspec.structs.replace(entry, portions=portions)

    touched = edit_entry(value, 0, change)
    out = fold(m.lane(GB), [message(touched, 0), message(value, 1)], m.versions)
    kinds = [leaf.reason if isinstance(leaf, Quarantined) else type(leaf) for leaf in leaves(out)]
    if touched == value:  # the routing drawn was the one that stands there
        assert kinds[0] is Admitted
        return
    assert kinds == [Refused.BAD_SLOT, Admitted]


@cache
def _two_portions() -> bytes:
    wanted = draft(
        "two",
        (PortionName.BASE, base(), label(FR, IT)),
        (PortionName.SOURCES, sources(), label(FR, by=handling(tlp=Tlp.AMBER))),
    )
    return parcel(members().sealer(GB), [wanted])


@FEW
@given(st.binary(min_size=32, max_size=32))
def test_seeded_entropy_gives_the_same_steps(seed: bytes) -> None:
    """Signatures apart, which no seed reaches: the heads of a step are placed alike."""
    m = members()
    lane = m.lane(GB)
    out = fold(lane, log()[:2], m.versions)
    first, second = m.deliver((lane, out)), m.deliver((lane, out))
    assert first.keys() == second.keys()
    for recipient in first:
        for one, other in zip(first[recipient], second[recipient], strict=True):
            assert parse_parcel(one).entries == parse_parcel(other).entries
            assert [Digest(s[:32]) for s in parse_parcel(one).seals] == [
                Digest(s[:32]) for s in parse_parcel(other).seals
            ]
