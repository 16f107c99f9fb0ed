"""Files to verify: read, told apart by their fields, and given to whoever verifies them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from deploy.verify.certificates import verify_certificate_file
from deploy.verify.directory import verify_directory
from deploy.verify.ledgers import (
    verify_checkpoint_file,
    verify_consistency_file,
    verify_inclusion_file,
    verify_ledger_file,
)
from deploy.verify.parcels import verify_parcel
from deploy.verify.report import Report, Unusable
from schemas.exports import (
    CertificateFile,
    CheckpointFile,
    ConsistencyFile,
    EntryFile,
    InclusionFile,
    LedgerFile,
)
from schemas.frames import PREFIX
from schemas.ids import Digest

_MOST_BYTES = 1 << 30

_M = TypeVar("_M", bound=BaseModel)


_KINDS: Final[dict[str, type[LedgerFile | InclusionFile | ConsistencyFile | CheckpointFile]]] = {
    "versions": LedgerFile,
    "leaf_hash": InclusionFile,
    "first_root": ConsistencyFile,
    "note": CheckpointFile,
}


class _Page(BaseModel):
    """Checkpoints, page by page."""

    model_config = ConfigDict(frozen=True)
    checkpoints: tuple[CheckpointFile, ...]


class _Versions(BaseModel):
    """Any file that holds the signed versions, whatever else it holds."""

    model_config = ConfigDict(frozen=True)
    versions: tuple[Base64Bytes, ...]


def pinned(text: str) -> Digest:
    """A genesis digest as people write it. Raises: `Unusable`."""
    try:
        digest = bytes.fromhex(text.strip())
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Unusable("--genesis is the digest of the genesis: 64 hexadecimal digits")
    return Digest(digest)


def directory_report(file: Path, genesis: Digest) -> Report:
    """Verify a chain of versions."""
    report = Report(f"directory {file.name}")
    verify_directory(read_versions(file), genesis, report)
    return report


def parcel_report(file: Path, versions: Sequence[bytes], genesis: Digest, recipient: str | None) -> Report:
    """Verify a parcel by its bytes."""
    report = Report(f"parcel {file.name}")
    data = _bytes(file)
    if (trusted := verify_directory(versions, genesis, report)) is not None:
        verify_parcel(data, recipient, trusted, report)
    return report


def certificate_report(file: Path, versions: Sequence[bytes], genesis: Digest) -> Report:
    """Verify a certificate with its evidence."""
    report = Report(f"certificate {file.name}")
    found = _model(CertificateFile, file)
    if (trusted := verify_directory(versions, genesis, report)) is not None:
        verify_certificate_file(found, trusted, report)
    return report


def ledger_report(
    file: Path,
    versions: Sequence[bytes],
    genesis: Digest,
    checkpoints: Sequence[Path] = (),
    entry: Path | None = None,
) -> Report:
    """Verify a ledger, a checkpoint or a proof; which of them it is, its fields tell.

    `checkpoints`: what a proof leads to, a file each, or a page of them as the broker API answers. `entry`: the leaf
    that an inclusion proof is of.
    """
    fields = _fields(file)
    kind = next((model for field, model in _KINDS.items() if field in fields), None)
    if kind is None:
        raise Unusable(f"'{file}' is no ledger, checkpoint or proof: it has none of {', '.join(_KINDS)}")
    found = _model(kind, file)
    signed = [one for path in checkpoints for one in _checkpoints(path)]
    leaf = None if entry is None else _model(EntryFile, entry)
    report = Report(f"{kind.__name__.removesuffix('File').lower()} {file.name}")
    trusted = verify_directory(versions, genesis, report)
    if trusted is None:
        return report
    match found:
        case LedgerFile():
            verify_ledger_file(found, trusted, report)
        case InclusionFile():
            verify_inclusion_file(found, signed, leaf, trusted, report)
        case ConsistencyFile():
            verify_consistency_file(found, signed, trusted, report)
        case CheckpointFile():
            verify_checkpoint_file(found, found.originator, trusted, report)
    return report


def _checkpoints(file: Path) -> Sequence[CheckpointFile]:
    if "checkpoints" in _fields(file):
        return _model(_Page, file).checkpoints
    return (_model(CheckpointFile, file),)


def read_versions(file: Path) -> Sequence[bytes]:
    """The signed versions that a file holds: JSON with `versions`, or a genesis as the ceremony writes it."""
    data = _bytes(file)
    return (data,) if data.startswith(PREFIX) else _model(_Versions, file).versions


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise Unusable(f"'{file}' is larger than {_MOST_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise Unusable(f"'{file}' cannot be read: {error.strerror}") from error


def _fields(file: Path) -> frozenset[str]:
    try:
        found = json.loads(_bytes(file))
    except (ValueError, RecursionError) as error:
        raise Unusable(f"'{file}' is no JSON") from error
    return frozenset(found if isinstance(found, dict) else ())


def _model(model: type[_M], file: Path) -> _M:
    try:
        return model.model_validate_json(_bytes(file))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))[:100] or "file"
        raise Unusable(f"'{file}' is unusable: {where}: {fault['msg']}") from error
