"""Verification alone: what is good passes with every step told, and each kind of damage is found and named."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from agencies.judging import Delivered
from agencies.sealing import Control
from agencies.store.reception import rows_of, write_all
from agencies.store.tables import metadata
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Lane, activate, fold
from broker.rounds import Rounds, sealed_note
from deploy.cli import main
from deploy.cli.verify import app
from deploy.errors import Refused
from deploy.exporting import stored_certificate
from deploy.verify.files import (
    certificate_report,
    directory_report,
    ledger_report,
    parcel_report,
    pinned,
    read_versions,
)
from deploy.verify.report import By, Report, Unusable
from schemas.certificate import Certificate, certificate_bytes, parse_certificate
from schemas.clock import IDENTITY_CLOCK
from schemas.controls import Receipt, receipt_bytes
from schemas.entropy import SeededEntropy
from schemas.envelope import DeliveryEntry, HeadEntry, frame_bytes, parse_deliver_entry
from schemas.exports import (
    CertificateFile,
    CheckpointFile,
    ConsistencyFile,
    EntryFile,
    InclusionFile,
    LedgerFile,
)
from schemas.frames import Parcel, parse_parcel
from schemas.ids import Digest
from schemas.ledger import (
    CheckpointEntry,
    LeafEntry,
    LedgerEntry,
    entry_bytes,
    ledger_leaf_hash,
    parse_ledger_entry,
)
from schemas.proofs import Node, consistency_proof, inclusion_proof, of_hashes, root_at
from tests.support.drafts import plain, record_id
from tests.support.federation import ceremony, commit, message
from tests.support.forge import certify, edit, edit_delivery, edit_entry, flip, with_entry, without_entry
from tests.support.members import members
from tests.vectors.scenes import FR, GB, IT

M = members()
GENESIS = ceremony().genesis
PINNED = M.arrangement.digest
VERSIONS = (GENESIS,)
AT_MS = 1_795_000_000_000


@dataclass(frozen=True)
class Scene:
    """A lane of five records to FR in two windows, signed after each."""

    submission: bytes
    delivery: bytes
    round: bytes
    entries: tuple[LedgerEntry, ...]

    @property
    def plain_entries(self) -> list[bytes]:
        return [entry_bytes(e) for e in self.entries if not isinstance(e, CheckpointEntry)]

    @property
    def leaves(self) -> list[bytes]:
        return [e.leaf for e in self.entries if isinstance(e, LeafEntry)]

    def size(self, which: int) -> int:
        size = self.checkpoint(which).size
        assert size is not None
        return size

    def checkpoint(self, which: int) -> CheckpointFile:
        found = [e for e in self.entries if isinstance(e, CheckpointEntry)]
        return CheckpointFile.of(GB, sealed_note(found[which]))


@cache
def scene() -> Scene:
    lane = Lane(GB, EMPTY_LANE, {}, {}, MemoryIndex())
    activated = activate(lane, PINNED, 0, IDENTITY_CLOCK, M.domains)
    commit(lane, activated)
    entries, parcels = list(activated.ledger), []
    sealer, rounds = M.sealer(GB), Rounds(M.arrangement, M.broker, SeededEntropy(b"rounds"))
    control = Control("receipt", record_id("c"), receipt_bytes(Receipt(IT, 0, 1, bytes(32), ())))
    for first, count in ((1, 2), (3, 3)):
        closed = [sealer.close_record(plain(first + i, FR), first + i) for i in range(count)]
        value = sealer.seal_window(closed, (control,) if first == 3 else (), first)
        folded = fold(lane, [message(value, lane.state.next_offset)], M.versions)
        parcels += [(value, M.deliver((lane, folded))[FR][0])]
        commit(lane, folded)
        entries += folded.ledger
        made = rounds.make({GB: lane}, AT_MS + first)
        rounds.committed({GB: lane})
        entries += [parse_ledger_entry(e) for _, data in made.ledger for e in parse_parcel(data).entries]
    told = dict(rounds.make({GB: lane}, AT_MS).deliver)[FR]
    return Scene(parcels[1][0], parcels[1][1], told, tuple(entries))


def failures(report: Report) -> list[By]:
    return [check.by for check in report.checks if not check.held]


def saved(path: Path, content: Any) -> Path:
    """Bytes as they are, a model as JSON."""
    path.write_bytes(content if isinstance(content, bytes) else content.model_dump_json().encode())
    return path


# --- parcels ---------------------------------------------------------------------------------


def of_parcel(tmp_path: Path, value: bytes, recipient: str | None = None) -> Report:
    return parcel_report(saved(tmp_path / "parcel", value), VERSIONS, PINNED, recipient)


def test_a_delivery_is_verified_step_by_step(tmp_path: Path) -> None:
    report = of_parcel(tmp_path, scene().delivery)
    assert report.good
    told = {check.by for check in report.checks}
    assert told >= {By.ARRANGEMENT, By.FORMAT, By.MANIFEST, By.SEAL, By.SIGNER, By.PATH, By.COMMITMENT}
    assert told >= {By.CAPSULE, By.CERTIFICATE, By.CHAIN}
    assert sum("follows number" in check.what for check in report.checks) == 2
    assert of_parcel(tmp_path, scene().delivery, FR).good
    assert By.CERTIFICATE in failures(of_parcel(tmp_path, scene().delivery, IT))


def test_a_round_is_verified_for_whom_it_is_named(tmp_path: Path) -> None:
    assert of_parcel(tmp_path, scene().round, FR).good
    assert set(failures(of_parcel(tmp_path, scene().round, IT))) == {By.PATH}
    with pytest.raises(Unusable, match="--recipient"):
        of_parcel(tmp_path, scene().round)


def of_first(change: Callable[[DeliveryEntry], DeliveryEntry]) -> bytes:
    return edit_delivery(scene().delivery, 0, change)


def portion(**changes: Any) -> bytes:
    return of_first(
        lambda e: msgspec.structs.replace(
            e, portions=(msgspec.structs.replace(e.portions[0], **changes), *e.portions[1:])
        )
    )


def certified(**changes: Any) -> bytes:
    """The certificate changed under its old head."""

    def change(entry: DeliveryEntry) -> DeliveryEntry:
        c = msgspec.structs.replace(parse_certificate(entry.certificate), **changes)
        return msgspec.structs.replace(entry, certificate=certificate_bytes(c))

    return of_first(change)


def head(**changes: Any) -> bytes:
    def change(parcel: Parcel) -> Parcel:
        last = len(parcel.entries) - 1
        entry = parse_deliver_entry(parcel.entries[last])
        assert isinstance(entry, HeadEntry)
        return with_entry(parcel, last, frame_bytes(msgspec.structs.replace(entry, **changes)))

    return edit(scene().delivery, change)


def seal(place: int, bit: int = 999) -> bytes:
    def change(p: Parcel) -> Parcel:
        seals = [flip(s, bit) if s is p.seals[place] else s for s in p.seals]
        return msgspec.structs.replace(p, seals=tuple(seals))

    return edit(scene().delivery, change)


DAMAGED_DELIVERIES: dict[str, tuple[Callable[[], bytes], By]] = {
    "bytes that are no parcel": (lambda: b"parcel", By.FORMAT),
    "a parcel that is cut": (lambda: scene().delivery[:-1], By.FORMAT),
    "an entry that cannot be read": (
        lambda: edit(scene().delivery, lambda p: with_entry(p, 0, b"\xc1")),
        By.FORMAT,
    ),
    "a manifest that was touched": (
        lambda: of_first(lambda e: msgspec.structs.replace(e, manifest=flip(e.manifest, 200))),
        By.MANIFEST,
    ),
    "a path that was touched": (
        lambda: of_first(lambda e: msgspec.structs.replace(e, path=flip(e.path, 99))),
        By.PATH,
    ),
    "a window seal that was touched": (lambda: seal(0), By.SEAL),
    "a seal that is not there": (lambda: of_first(lambda e: msgspec.structs.replace(e, seal=9)), By.FORMAT),
    "a ciphertext that was touched": (lambda: portion(ciphertext=b"other"), By.COMMITMENT),
    "a label that was touched": (lambda: portion(handling=b"other"), By.COMMITMENT),
    "a capsule that is not there": (lambda: portion(capsule=9), By.FORMAT),
    "a capsule of another pair": (
        lambda: edit(
            scene().delivery,
            lambda p: msgspec.structs.replace(
                p, capsules=tuple(c.replace(b"fr-", b"it-") for c in p.capsules)
            ),
        ),
        By.CAPSULE,
    ),
    "a portion that was certified and is missing": (
        lambda: of_first(lambda e: msgspec.structs.replace(e, portions=())),
        By.CERTIFICATE,
    ),
    "a certificate for another": (lambda: certified(recipient=IT), By.CERTIFICATE),
    "a certificate under an unknown version": (lambda: certified(arrangement=bytes(32)), By.ARRANGEMENT),
    "a certificate of another time": (lambda: certified(admitted_ms=1), By.CHAIN),
    "a certificate of another number": (lambda: certified(number=1), By.CHAIN),
    "a head of another number": (lambda: head(number=99), By.PATH),
    "a head of another digest": (lambda: head(digest=bytes(32)), By.PATH),
    "a head whose seal was touched": (lambda: seal(-1), By.SEAL),
    "a head that is missing": (
        lambda: edit(scene().delivery, lambda p: without_entry(p, len(p.entries) - 1)),
        By.CHAIN,
    ),
    "a delivery that is missing": (lambda: edit(scene().delivery, lambda p: without_entry(p, 1)), By.CHAIN),
    "the last delivery that is missing": (
        lambda: edit(scene().delivery, lambda p: without_entry(p, len(p.entries) - 2)),
        By.CHAIN,
    ),
    "a head signed by a member": (
        lambda: certify(M, scene().delivery, FR, pair=M.signing[GB]),
        By.SEAL,
    ),
}


@pytest.mark.parametrize("damage", DAMAGED_DELIVERIES)
def test_a_damaged_delivery_is_named(tmp_path: Path, damage: str) -> None:
    make, by = DAMAGED_DELIVERIES[damage]
    report = of_parcel(tmp_path, make(), None if "another" in damage and "capsule" not in damage else FR)
    assert not report.good
    assert by in failures(report), report.checks
    assert all(check.failure for check in report.checks if not check.held)


def test_a_submission_is_verified(tmp_path: Path) -> None:
    report = of_parcel(tmp_path, scene().submission)
    assert report.good
    assert sum("all eight slots" in check.what for check in report.checks) == 3
    assert sum("control message" in check.what for check in report.checks) == 1


DAMAGED_SUBMISSIONS: dict[str, tuple[Callable[[], bytes], By, str]] = {
    "a path that was touched": (
        lambda: edit_entry(
            scene().submission, 1, lambda e: msgspec.structs.replace(e, path=flip(e.path, 99))
        ),
        By.COMMITMENT,
        "bad_path",
    ),
    "a slot that was touched": (
        lambda: edit_entry(
            scene().submission, 0, lambda e: msgspec.structs.replace(e, broker_only_salt=bytes(16))
        ),
        By.COMMITMENT,
        "bad_slot",
    ),
    "an audience that was touched": (
        lambda: edit_entry(
            scene().submission, 2, lambda e: msgspec.structs.replace(e, broker_only=flip(e.broker_only, -9))
        ),
        By.COMMITMENT,
        "bad_slot",
    ),
    "a seal that was touched": (
        lambda: edit(
            scene().submission, lambda p: msgspec.structs.replace(p, seals=(flip(p.seals[0], 999),))
        ),
        By.SEAL,
        "signature does not verify",
    ),
    "no seal": (
        lambda: edit(scene().submission, lambda p: msgspec.structs.replace(p, seals=())),
        By.SEAL,
        "there are 0",
    ),
    "no entry": (
        lambda: edit(scene().submission, lambda p: msgspec.structs.replace(p, entries=())),
        By.FORMAT,
        "there is none",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED_SUBMISSIONS)
def test_a_damaged_submission_is_named(tmp_path: Path, damage: str) -> None:
    make, by, failure = DAMAGED_SUBMISSIONS[damage]
    report = of_parcel(tmp_path, make())
    assert [(c.by, c.failure) for c in report.checks if not c.held] == [(by, failure)]


# --- certificates ----------------------------------------------------------------------------


@cache
def exported() -> CertificateFile:
    """Of the first of three records that came together, as a store keeps it."""
    return stored(record_id(3))


def stored(record: bytes) -> CertificateFile:
    engine, judge = create_engine("sqlite://"), M.judge(FR)
    judge.chains[GB] = msgspec.structs.replace(judge.head(GB), number=2, digest=_second())
    metadata.create_all(engine)
    delivered = Delivered(0, 0, scene().delivery, True)
    judged = judge.judge(delivered)
    assert (len(judged.received), judged.bad, judged.alarms) == (3, [], [])
    with engine.begin() as db:
        rows = rows_of(M.domains, "deliver", [(delivered, judged)])
        write_all(db, rows, "deliver", judge.chains, {0: 0}, {0: 0})
        found = stored_certificate(db, FR, record, VERSIONS)
    engine.dispose()
    return found


def _second() -> bytes:
    entry = parse_deliver_entry(parse_parcel(scene().delivery).entries[0])
    assert isinstance(entry, DeliveryEntry)
    return parse_certificate(entry.certificate).predecessor


def of_certificate(tmp_path: Path, file: CertificateFile, pin: Digest = PINNED) -> Report:
    path = saved(tmp_path / "certificate.json", file)
    return certificate_report(path, read_versions(path), pin)


def test_a_stored_delivery_is_verified_from_its_store_alone(tmp_path: Path) -> None:
    first, last = exported(), stored(record_id(5))
    assert (len(first.following), len(last.following), first.head_number) == (2, 0, 5)
    for file in (first, last):
        report = of_certificate(tmp_path, file)
        assert report.good, report.checks
    with pytest.raises(Refused, match="no such record"):
        stored(record_id(99))


def recertified(place: int = 0, **changes: Any) -> CertificateFile:
    chain = [exported().certificate, *exported().following]
    c: Certificate = msgspec.structs.replace(parse_certificate(chain[place]), **changes)
    chain[place] = certificate_bytes(c)
    return exported().model_copy(update={"certificate": chain[0], "following": tuple(chain[1:])})


def touched(field: str, bit: int = 200) -> CertificateFile:
    return exported().model_copy(update={field: flip(getattr(exported(), field), bit)})


DAMAGED_CERTIFICATES: dict[str, tuple[Callable[[], CertificateFile], By]] = {
    "another recipient": (lambda: exported().model_copy(update={"recipient": IT}), By.CERTIFICATE),
    "a stranger": (lambda: exported().model_copy(update={"recipient": "zz-none"}), By.CERTIFICATE),
    "another originator": (lambda: exported().model_copy(update={"originator": IT}), By.MANIFEST),
    "an unknown version": (lambda: recertified(arrangement=bytes(32)), By.ARRANGEMENT),
    "another manifest": (lambda: touched("manifest"), By.MANIFEST),
    "a path that was touched": (lambda: touched("path"), By.PATH),
    "a window seal that was touched": (lambda: touched("seal", 999), By.SEAL),
    "the broker's seal for the window's": (
        lambda: exported().model_copy(update={"seal": exported().head_seal}),
        By.SEAL,
    ),
    "a commitment of nobody": (lambda: recertified(released=(bytes(32),)), By.COMMITMENT),
    "nothing released": (lambda: recertified(released=()), By.COMMITMENT),
    "another time of admission": (lambda: recertified(admitted_ms=5), By.CHAIN),
    "another reason": (lambda: recertified(rules=()), By.CHAIN),
    "another certificate after it": (lambda: recertified(1, admitted_ms=5), By.CHAIN),
    "another certificate at the head": (lambda: recertified(2, admitted_ms=5), By.PATH),
    "a certificate that is missing": (
        lambda: exported().model_copy(update={"following": exported().following[1:]}),
        By.CHAIN,
    ),
    "a head of another number": (lambda: exported().model_copy(update={"head_number": 6}), By.PATH),
    "a head's path that was touched": (lambda: touched("head_path"), By.PATH),
    "a head's seal that was touched": (lambda: touched("head_seal", 999), By.SEAL),
    "bytes that are no certificate": (
        lambda: exported().model_copy(update={"certificate": b"\xc1"}),
        By.FORMAT,
    ),
    "a version that nobody signed": (
        lambda: exported().model_copy(update={"versions": (flip(GENESIS, 8 * 4000),)}),
        By.ARRANGEMENT,
    ),
}


@pytest.mark.parametrize("damage", DAMAGED_CERTIFICATES)
def test_a_damaged_certificate_is_named(tmp_path: Path, damage: str) -> None:
    make, by = DAMAGED_CERTIFICATES[damage]
    report = of_certificate(tmp_path, make())
    assert not report.good
    assert by in failures(report), report.checks


# --- ledgers and proofs ----------------------------------------------------------------------


def ledger_file() -> LedgerFile:
    return LedgerFile.model_construct(
        versions=VERSIONS,
        originator=GB,
        entries=tuple(scene().plain_entries),
        checkpoint=scene().checkpoint(1),
    )


def tree() -> Node:
    return of_hashes([ledger_leaf_hash(M.domains, leaf) for leaf in scene().leaves])


def inclusion_file(index: int = 2, which: int = 1) -> InclusionFile:
    size, node = scene().size(which), tree()
    return InclusionFile(
        originator=GB,
        index=index,
        size=size,
        leaf_hash=node(0, index).hex(),
        root=root_at(size, node).hex(),
        path=tuple(step.hex() for step in inclusion_proof(index, size, node)),
    )


def entry_file(number: int = 2) -> EntryFile:
    leaf = scene().leaves[number]
    digest = ledger_leaf_hash(M.domains, leaf).hex()
    return EntryFile.model_construct(number=number, kind="admitted", at=None, leaf=leaf, hash=digest)


def consistency_file() -> ConsistencyFile:
    first, second, node = scene().size(0), scene().size(1), tree()
    return ConsistencyFile(
        originator=GB,
        first=first,
        second=second,
        first_root=root_at(first, node).hex(),
        second_root=root_at(second, node).hex(),
        path=tuple(step.hex() for step in consistency_proof(first, second, node)),
    )


def of_ledger(
    tmp_path: Path, file: Any, signed: Sequence[int] = (0, 1), entry: EntryFile | None = None
) -> Report:
    """With the checkpoints so numbered, of which a proof leads to some."""
    checkpoints = [saved(tmp_path / f"checkpoint-{n}.json", scene().checkpoint(n)) for n in signed]
    leaf = None if entry is None else saved(tmp_path / "entry.json", entry)
    return ledger_report(saved(tmp_path / "ledger.json", file), VERSIONS, PINNED, checkpoints, leaf)


def test_a_ledger_its_checkpoints_and_its_proofs_are_verified(tmp_path: Path) -> None:
    files = (ledger_file(), inclusion_file(), consistency_file(), scene().checkpoint(0))
    reports = [of_ledger(tmp_path, file) for file in files]
    assert [r.subject.split()[0] for r in reports] == ["ledger", "inclusion", "consistency", "checkpoint"]
    assert all(report.good for report in reports), reports
    for number in range(scene().size(1)):
        assert of_ledger(tmp_path, inclusion_file(number), entry=entry_file(number)).good
    page = tmp_path / "page.json"
    page.write_text(json.dumps({"checkpoints": [json.loads(scene().checkpoint(1).model_dump_json())]}))
    proof = saved(tmp_path / "proof.json", inclusion_file())
    assert ledger_report(proof, VERSIONS, PINNED, [page]).good
    for by, report in zip((By.TREE, By.INCLUSION, By.CONSISTENCY), reports, strict=False):
        assert by in {check.by for check in report.checks}


def changed(file: Any, **fields: Any) -> Any:
    return file.model_copy(update=fields)


def noted(change: Callable[[str], str]) -> CheckpointFile:
    point = scene().checkpoint(1)
    return point.model_copy(update={"note": change(point.note)})


def point(**fields: Any) -> CheckpointFile:
    return scene().checkpoint(1).model_copy(update=fields)


DAMAGED_LEDGERS: dict[str, tuple[Callable[[], Any], By]] = {
    "a leaf that was taken out": (
        lambda: changed(ledger_file(), entries=tuple(scene().plain_entries[:-1])),
        By.TREE,
    ),
    "a hole": (
        lambda: changed(ledger_file(), entries=(scene().plain_entries[0], *scene().plain_entries[3:])),
        By.LEDGER,
    ),
    "a ruling that is missing": (
        lambda: changed(
            ledger_file(),
            entries=tuple(entry_bytes(e) for e in scene().entries if isinstance(e, LeafEntry)),
        ),
        By.LEDGER,
    ),
    "a leaf that was touched": (
        lambda: changed(
            ledger_file(),
            entries=(*scene().plain_entries[:-1], flip(scene().plain_entries[-1], 8 * 40)),
        ),
        By.TREE,
    ),
    "an entry that cannot be read": (
        lambda: changed(ledger_file(), entries=(*scene().plain_entries, b"\xc1")),
        By.FORMAT,
    ),
    "no entry": (lambda: changed(ledger_file(), entries=()), By.LEDGER),
    "no checkpoint": (lambda: changed(ledger_file(), checkpoint=None), By.CHECKPOINT),
    "an older checkpoint": (
        lambda: changed(ledger_file(), checkpoint=scene().checkpoint(0)),
        By.TREE,
    ),
    "another's ledger": (lambda: changed(ledger_file(), originator=FR), By.CHECKPOINT),
    "a note of another size": (lambda: noted(lambda n: n.replace("\n7\n", "\n8\n")), By.NOTE_SIGNATURE),
    "a note without a signature": (lambda: noted(lambda n: n.split("\n\n")[0] + "\n"), By.NOTE),
    "a note by another key": (
        lambda: noted(lambda n: n.replace("— entente/", "— intente/")),
        By.NOTE_SIGNATURE,
    ),
    "a note that is no checkpoint": (lambda: noted(lambda n: n.replace("time ", "Time ")), By.CHECKPOINT),
    "a hybrid seal that was touched": (lambda: point(seal=flip(point().seal, 999)), By.SEAL),
    "the seal of another checkpoint": (lambda: point(seal=scene().checkpoint(0).seal), By.PATH),
    "a path to the seal that was touched": (lambda: point(path=flip(point().path, 99)), By.PATH),
    "a path to the seal that is cut": (lambda: point(path=b"short"), By.PATH),
    "another size beside the note": (lambda: point(size=99), By.CHECKPOINT),
    "another root beside the note": (lambda: point(root="0" * 64), By.CHECKPOINT),
    "a leaf that was not signed": (
        lambda: changed(inclusion_file(2), leaf_hash=inclusion_file(1).leaf_hash),
        By.INCLUSION,
    ),
    "a leaf under another number": (lambda: changed(inclusion_file(2), index=1), By.INCLUSION),
    "a proof of another leaf": (
        lambda: changed(inclusion_file(2), path=inclusion_file(1).path),
        By.INCLUSION,
    ),
    "a proof that is cut": (
        lambda: changed(inclusion_file(2), path=inclusion_file(2).path[:-1]),
        By.INCLUSION,
    ),
    "a proof in a tree that nobody signed": (lambda: changed(inclusion_file(2), size=4), By.CHECKPOINT),
    "a proof to a root that nobody signed": (
        lambda: changed(inclusion_file(2), root="0" * 64),
        By.CHECKPOINT,
    ),
    "a proof of another's ledger": (lambda: changed(inclusion_file(2), originator=FR), By.CHECKPOINT),
    "a consistency proof that is cut": (
        lambda: changed(consistency_file(), path=consistency_file().path[:-1]),
        By.CONSISTENCY,
    ),
    "a consistency proof from a root that nobody signed": (
        lambda: changed(consistency_file(), first_root="0" * 64),
        By.CHECKPOINT,
    ),
    "a consistency proof between sizes that nobody signed": (
        lambda: changed(consistency_file(), first=2),
        By.CHECKPOINT,
    ),
}


@pytest.mark.parametrize("damage", DAMAGED_LEDGERS)
def test_a_damaged_ledger_or_proof_is_named(tmp_path: Path, damage: str) -> None:
    make, by = DAMAGED_LEDGERS[damage]
    report = of_ledger(tmp_path, make())
    assert not report.good
    assert by in failures(report), report.checks


def test_a_proof_without_its_checkpoint_proves_nothing(tmp_path: Path) -> None:
    for file, signed in ((inclusion_file(), ()), (inclusion_file(), (0,)), (consistency_file(), (1,))):
        report = of_ledger(tmp_path, file, signed)
        assert failures(report) == [By.CHECKPOINT]
        assert "nobody vouches" in report.checks[-1].failure or "nobody vouches" in report.checks[-2].failure


def test_a_leaf_that_is_not_the_one_proved_is_named(tmp_path: Path) -> None:
    other = of_ledger(tmp_path, inclusion_file(2), entry=entry_file(1))
    assert failures(other) == [By.LEDGER, By.TREE]
    touched_leaf = entry_file(2).model_copy(update={"leaf": flip(entry_file(2).leaf, 8 * 40)})
    assert By.TREE in failures(of_ledger(tmp_path, inclusion_file(2), entry=touched_leaf))
    no_leaf = entry_file(2).model_copy(update={"leaf": b"leaf"})
    assert failures(of_ledger(tmp_path, inclusion_file(2), entry=no_leaf)) == [By.LEDGER]


# --- directories and input -------------------------------------------------------------------


def test_a_directory_is_verified_by_its_pinned_genesis(tmp_path: Path) -> None:
    report = directory_report(saved(tmp_path / "genesis.bin", GENESIS), PINNED)
    assert report.good
    other = directory_report(tmp_path / "genesis.bin", Digest(bytes(32)))
    assert failures(other) == [By.ARRANGEMENT]
    assert "pinned is 0000" in other.checks[0].failure
    signatures = 3_400 * len(
        M.arrangement.directory.agency_ids
    )  # one of them may fail where enough others hold
    for bit in range(8 * 20, 8 * (len(GENESIS) - signatures), 8 * 4001):
        broken = directory_report(saved(tmp_path / "broken.bin", flip(GENESIS, bit)), PINNED)
        assert failures(broken) == [By.ARRANGEMENT]
    twice = saved(tmp_path / "twice.json", ledger_file().model_copy(update={"versions": (GENESIS, GENESIS)}))
    assert "does not follow" in directory_report(twice, PINNED).checks[1].failure


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"nothing", b"\xff", b'{"versions": []}', b"[" * 100_000],
)
def test_what_is_nothing_to_verify_is_said_to_be_unusable(tmp_path: Path, content: bytes) -> None:
    path = saved(tmp_path / "input", content)
    with pytest.raises(Unusable):
        directory_report(path, PINNED)
    with pytest.raises(Unusable):
        certificate_report(path, VERSIONS, PINNED)
    with pytest.raises(Unusable):
        ledger_report(path, VERSIONS, PINNED)
    with pytest.raises(Unusable):
        parcel_report(tmp_path / "absent", VERSIONS, PINNED, None)


@pytest.mark.parametrize("text", ["", "00", "x" * 64, "0" * 63])
def test_a_pin_is_a_digest(text: str) -> None:
    with pytest.raises(Unusable, match="--genesis"):
        pinned(text)


# --- the command -----------------------------------------------------------------------------


def test_the_command_tells_every_step_and_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    genesis = str(saved(tmp_path / "genesis.bin", GENESIS))
    pin = ["--genesis", PINNED.hex()]
    good = str(saved(tmp_path / "good.json", exported()))
    bad = str(saved(tmp_path / "bad.json", touched("path")))
    parcel = str(saved(tmp_path / "parcel.bin", scene().delivery))
    proof = str(saved(tmp_path / "proof.json", inclusion_file()))
    signed = str(saved(tmp_path / "signed.json", scene().checkpoint(1)))
    run = CliRunner().invoke
    for line in (
        ["certificate", good],
        ["parcel", parcel, "--directory", genesis],
        ["ledger", proof, "--directory", genesis, "--checkpoint", signed],
        ["directory", genesis],
    ):
        result = run(app, [*line, *pin])
        assert result.exit_code == 0, result.output
        assert "verified:" in result.output
        assert "FAILED" not in result.output
    result = run(app, ["certificate", bad, *pin])
    assert result.exit_code == 1
    assert "NOT verified: 1 of" in result.output
    assert "the path leads to another root" in result.output
    result = run(app, ["certificate", bad, *pin, "--json"])
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert not told["verified"]
    assert [c["by"] for c in told["checks"] if not c["held"]] == [By.PATH]
    for line in (["certificate", genesis, *pin], ["certificate", good, "--genesis", "0"], ["certificate"]):
        monkeypatch.setattr(sys, "argv", ["entente", "verify", *line])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
    assert "unusable" in capsys.readouterr().err


def test_it_works_where_neither_kafka_nor_stores_nor_an_agencys_code_can_be_reached(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.json", exported())
    code = (
        "import sys\n"
        "for gone in ('aiokafka', 'confluent_kafka', 'sqlalchemy', 'fastapi', 'agencies'):\n"
        "    sys.modules[gone] = None\n"
        "from deploy.cli import main\n"
        "main()\n"
    )
    line = [sys.executable, "-c", code, "verify", "certificate", str(good), "--genesis", PINNED.hex()]
    result = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert "verified:" in result.stdout
