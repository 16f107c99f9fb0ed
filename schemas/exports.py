"""Evidence as files: what a service gives away or a store keeps, so that anybody can verify it with public keys alone.

- JSON, each of a closed form; bytes are in base64, hashes in hexadecimal. The form is known by its fields.
- Checkpoints, proofs and leaves have the form in which the broker API answers; a proof is worth what the checkpoint is
  worth to whose root it leads.
- Nothing that a file says of itself is believed: sizes, roots and times beside a note are for people.
- `versions`: messages of the topic `arrangement` from the genesis on. They are believed by the genesis digest that the
  reader has from elsewhere, and by what members have signed.
"""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Base64Bytes, Field

from schemas.checkpoint import BadCheckpoint, SealedNote, parse_checkpoint, parse_note
from schemas.clock import LAST_MS, instant
from schemas.directory import AgencyField
from schemas.ids import AgencyId
from schemas.model import Model

LAST_NUMBER: Final = 2**53 - 1
"""JSON's numbers are exact up to there."""

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=LAST_NUMBER)]


class CheckpointFile(Model):
    """A ledger's size and root as the broker signed them. `signed_at`: real time, as the note has it."""

    originator: AgencyField
    size: Count | None
    root: Hex32 | None
    signed_at: datetime | None
    note: str
    """The C2SP signed note."""
    path: Base64Bytes
    """From the note's text to the root of the hybrid seal."""
    seal: Base64Bytes

    @classmethod
    def of(cls, originator: AgencyId, sealed: SealedNote) -> "CheckpointFile":
        """Raises: `BadCheckpoint` for a note of another form."""
        point = parse_checkpoint(parse_note(sealed.note).text)
        return cls.model_construct(
            originator=originator,
            size=point.size,
            root=point.root.hex(),
            signed_at=instant(min(point.at_ms, LAST_MS)),
            note=sealed.note.decode(),
            path=sealed.path,
            seal=sealed.seal,
        )

    def sealed(self) -> SealedNote:
        """What is verified."""
        return SealedNote(self.note.encode(), self.path, self.seal)

    def says(self) -> bool:
        """Whether what stands beside the note is what it says."""
        try:
            again = CheckpointFile.of(self.originator, self.sealed())
        except BadCheckpoint:
            return False
        told = (again.size, again.root, again.signed_at)
        return told == (self.size, self.root, self.signed_at)


class InclusionFile(Model):
    """That leaf `index` is in the tree of the first `size` leaves. `path`: RFC 6962 2.1.1, from the leaf upwards."""

    originator: AgencyField
    index: Count
    size: Count
    leaf_hash: Hex32
    root: Hex32
    path: tuple[Hex32, ...]


class ConsistencyFile(Model):
    """That the tree of the first `first` leaves is the beginning of that of the first `second`. RFC 6962 2.1.2."""

    originator: AgencyField
    first: Count
    second: Count
    first_root: Hex32
    second_root: Hex32
    path: tuple[Hex32, ...]


class EntryFile(Model):
    """One leaf. `hash`, `kind` and `at` are for people: the bytes say all of it."""

    number: Count
    kind: str
    at: datetime | None
    leaf: Base64Bytes
    hash: Hex32


class LedgerFile(Model):
    """A ledger. `entries`: leaves and rulings as they stand in it, up to the checkpoint where there is one."""

    versions: tuple[Base64Bytes, ...]
    originator: AgencyField
    entries: tuple[Base64Bytes, ...]
    checkpoint: CheckpointFile | None


class CertificateFile(Model):
    """A stored delivery's evidence. `following`: certificates between it and the head that the broker signed."""

    versions: tuple[Base64Bytes, ...]
    recipient: AgencyField
    originator: AgencyField
    certificate: Base64Bytes
    following: tuple[Base64Bytes, ...]
    head_number: Count
    head_path: Base64Bytes
    head_seal: Base64Bytes
    manifest: Base64Bytes
    path: Base64Bytes
    seal: Base64Bytes
