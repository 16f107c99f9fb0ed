"""A ledger and proofs over it: leaves, trees, and the checkpoints that the broker signed."""

from collections.abc import Sequence

from deploy.verify.directory import Trusted
from deploy.verify.report import By, Report
from schemas.checkpoint import BadCheckpoint, BadNote, Checkpoint
from schemas.exports import CheckpointFile, ConsistencyFile, EntryFile, InclusionFile, LedgerFile
from schemas.frames import BadFrame
from schemas.ids import Digest
from schemas.ledger import (
    Activation,
    Admitted,
    LeafEntry,
    RulingEntry,
    ledger_leaf_hash,
    parse_leaf,
    parse_ledger_entry,
)
from schemas.merkle import EMPTY_FRONTIER
from schemas.proofs import verify_consistency, verify_inclusion
from schemas.rulings import ruling_digest

_STEPS = {
    BadNote.NOT_A_NOTE: By.NOTE,
    BadNote.NOT_A_CHECKPOINT: By.CHECKPOINT,
    BadNote.OTHER_LOG: By.CHECKPOINT,
    BadNote.UNSIGNED: By.NOTE_SIGNATURE,
    BadNote.BAD_SIGNATURE: By.NOTE_SIGNATURE,
    BadNote.BAD_SEAL: By.SEAL,
    BadNote.NOT_SEALED: By.PATH,
}
_HELD = {
    By.NOTE: "is a signed note",
    By.CHECKPOINT: "has the text of a checkpoint of this ledger",
    By.NOTE_SIGNATURE: "is signed by the broker's Ed25519 key",
    By.SEAL: "bears the broker's hybrid seal over checkpoints",
    By.PATH: "lies under that seal",
}


def verify_checkpoint_file(
    file: CheckpointFile, originator: str, trusted: Trusted, report: Report, name: str = "the checkpoint"
) -> Checkpoint | None:
    """A checkpoint of the originator's ledger. None: it does not hold."""
    point, failed, failure = None, None, ""
    try:
        point = trusted.checkpoints.verify(originator, file.sealed())
    except BadCheckpoint as error:
        failed, failure = _STEPS[error.reason], str(error)
    for by, held in _HELD.items():
        report.check(by is not failed, f"{name} {held}", by, failure)
        if by is failed:
            return None
    report.check(
        file.says() and file.originator == originator,
        f"{name}: what stands beside the note is what it says",
        By.CHECKPOINT,
        "size, root, time or originator beside the note are not those of the note",
    )
    return point


def verify_inclusion_file(
    file: InclusionFile,
    checkpoints: Sequence[CheckpointFile],
    entry: EntryFile | None,
    trusted: Trusted,
    report: Report,
) -> None:
    """That a leaf stands in the tree that was signed. `entry`: the leaf itself, where it is there."""
    signed = _signed(checkpoints, file.originator, trusted, report)
    if entry is not None:
        _verify_entry(entry, file, trusted, report)
    point = _point(signed, file.size, file.root, report)
    if point is None:
        return
    path = [bytes.fromhex(step) for step in file.path]
    report.check(
        verify_inclusion(bytes.fromhex(file.leaf_hash), file.index, point.size, path, point.root),
        f"the path leads from leaf {file.index} to the root at {point.size} leaves",
        By.INCLUSION,
        "it leads to another root: the leaf, its number or the path are not of this tree",
    )


def _verify_entry(entry: EntryFile, file: InclusionFile, trusted: Trusted, report: Report) -> None:
    what = f"the leaf given is number {file.index} of the ledger"
    try:
        number = parse_leaf(entry.leaf).number
    except BadFrame as error:
        report.failed(what, By.LEDGER, str(error))
        return
    report.check(number == file.index, what, By.LEDGER, f"it says that it is number {number}")
    report.check(
        ledger_leaf_hash(trusted.domains, entry.leaf).hex() == file.leaf_hash,
        "the leaf given has the hash that is proved",
        By.TREE,
        "it has another hash",
    )


def verify_consistency_file(
    file: ConsistencyFile, checkpoints: Sequence[CheckpointFile], trusted: Trusted, report: Report
) -> None:
    """That the broker took nothing back between two checkpoints."""
    signed = _signed(checkpoints, file.originator, trusted, report)
    old = _point(signed, file.first, file.first_root, report)
    new = _point(signed, file.second, file.second_root, report)
    if old is None or new is None:
        return
    path = [bytes.fromhex(step) for step in file.path]
    report.check(
        verify_consistency(old.size, old.root, new.size, new.root, path),
        f"the tree of {old.size} leaves is the beginning of that of {new.size}",
        By.CONSISTENCY,
        "the proof leads to another root: the ledger was changed, or the path is not of these trees",
    )


def _signed(
    files: Sequence[CheckpointFile], originator: str, trusted: Trusted, report: Report
) -> dict[int, Checkpoint]:
    """The checkpoints that hold, by size."""
    found = {}
    for place, file in enumerate(files, 1):
        point = verify_checkpoint_file(file, originator, trusted, report, f"checkpoint {place}")
        if point is not None:
            found[point.size] = point
    return found


def _point(signed: dict[int, Checkpoint], size: int, root: str, report: Report) -> Checkpoint | None:
    """The checkpoint to whose root a proof leads."""
    what = f"the root at {size} leaves is one that the broker signed"
    point = signed.get(size)
    if point is None:
        report.failed(
            what, By.CHECKPOINT, "no checkpoint of this size is given that holds: nobody vouches for it"
        )
        return None
    same = report.check(point.root.hex() == root, what, By.CHECKPOINT, "another root was signed at this size")
    return point if same else None


def verify_ledger_file(file: LedgerFile, trusted: Trusted, report: Report) -> None:
    """The leaves in order, the rulings that they name, and what was signed over them."""
    tree, rulings = EMPTY_FRONTIER, set[Digest]()
    faults: list[tuple[By, str]] = []
    for place, data in enumerate(file.entries):
        try:
            entry = parse_ledger_entry(data)
            leaf = parse_leaf(entry.leaf) if isinstance(entry, LeafEntry) else None
        except BadFrame as error:
            faults.append((By.FORMAT, f"entry {place}: {error}"))
            continue
        if isinstance(entry, RulingEntry):
            rulings.add(ruling_digest(trusted.domains, entry.ruling))
        elif isinstance(entry, LeafEntry) and leaf is not None:
            if leaf.number != tree.size:
                faults.append((By.LEDGER, f"entry {place}: leaf {leaf.number} stands at {tree.size}"))
            if isinstance(leaf, Admitted) and not {p.ruling for p in leaf.portions} <= rulings:
                faults.append(
                    (By.LEDGER, f"leaf {leaf.number} names a ruling that was not written before it")
                )
            if isinstance(leaf, Activation) and not _activates(leaf, tree.size, trusted):
                faults.append((By.ARRANGEMENT, f"leaf {leaf.number} activates a version that was not signed"))
            tree = tree.append(ledger_leaf_hash(trusted.domains, entry.leaf))
    _told(faults, report)
    report.check(tree.size, "the ledger has leaves", By.LEDGER, "there is none")
    if file.checkpoint is None:
        what = "the broker has signed this ledger"
        report.failed(what, By.CHECKPOINT, "no checkpoint is given, so nobody vouches for it")
        return
    point = verify_checkpoint_file(file.checkpoint, file.originator, trusted, report)
    if point is not None:
        found = f"{tree.size} leaves with root {tree.root().hex()[:16]}"
        report.check(
            (tree.size, tree.root()) == (point.size, point.root),
            f"the leaves come to what was signed: {point.size} of them, root {point.root.hex()[:16]}",
            By.TREE,
            f"they come to {found}",
        )


def _activates(leaf: Activation, number: int, trusted: Trusted) -> bool:
    known = trusted.genesis.digest if number == 0 else leaf.arrangement
    return leaf.arrangement == known and leaf.arrangement in trusted.versions


def _told(faults: Sequence[tuple[By, str]], report: Report) -> None:
    """One step for each kind of fault that a ledger can have, however many leaves there are."""
    for by, what in (
        (By.FORMAT, "every entry can be read"),
        (By.LEDGER, "leaves are numbered without a hole, and each ruling stands before its first use"),
        (By.ARRANGEMENT, "leaf 0 activates the genesis, and every activation a version that was signed"),
    ):
        mine = [text for kind, text in faults if kind is by]
        more = f", and {len(mine) - 1} more" if len(mine) > 1 else ""
        report.check(not mine, what, by, f"{mine[0]}{more}" if mine else "")
