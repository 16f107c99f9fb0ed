"""What a verifier needs, taken out of a run: a stored delivery's evidence, or a ledger with what was signed of it.

Stores are opened read-only; topics are read by the run's administrator. What is written are public parts alone.
"""

from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import select

from agencies.store.tables import heads, reception_log, seals
from broker.kafka import Connection, read_all
from broker.rounds import sealed_note
from deploy.ceremony import read_ceremony
from deploy.errors import DeployError, Refused
from deploy.stage.evidence import read_ledger, read_only
from deploy.stage.reach import reached
from deploy.stage.run import Run
from schemas.checkpoint import parse_checkpoint, parse_note
from schemas.exports import CertificateFile, CheckpointFile, LedgerFile
from schemas.history import History
from schemas.ids import AgencyId, Digest
from schemas.ledger import LeafEntry, parse_ledger_entry
from schemas.topics import arrangement_topic
from schemas.transport import client_context


async def export_certificate(folder: Path, agency: AgencyId, record: str) -> CertificateFile:
    """The evidence of the newest revision that an agency stored of a record. Raises: `DeployError`."""
    run = _run_of(folder, agency)
    try:
        record_id = UUID(record).bytes
    except ValueError as error:
        raise Refused(f"'{record}' is no id of a record, as 0190a1b2-…") from error
    async with reached(run) as (bootstrap, tls):
        versions = await _versions(Connection(bootstrap, client_context(tls)), run)
    with read_only(run.store(agency)) as db:
        return stored_certificate(db, agency, record_id, versions)


def stored_certificate(
    db: SqlConnection, agency: AgencyId, record_id: bytes, versions: tuple[bytes, ...]
) -> CertificateFile:
    """The same of an open store. Raises: `DeployError`."""
    log = reception_log.c
    row = db.execute(
        select(reception_log)
        .where(log.record_id == record_id, log.number.is_not(None))
        .order_by(log.id.desc())
        .limit(1)
    ).first()
    if row is None:
        raise Refused(f"'{agency}' has stored no such record with a proven number")
    head = db.execute(
        select(heads)
        .where(heads.c.lane == row.lane, heads.c.number >= row.number)
        .order_by(heads.c.number)
        .limit(1)
    ).first()
    if head is None:
        raise DeployError(f"'{agency}' holds no signed head over number {row.number} of '{row.lane}'")
    between = db.execute(
        select(log.number, log.certificate)
        .where(log.lane == row.lane, log.number > row.number, log.number <= head.number)
        .order_by(log.number)
    ).all()
    if len(between) != head.number - row.number:
        raise DeployError(
            f"'{agency}' lacks certificates between {row.number} and {head.number} of '{row.lane}'"
        )
    return CertificateFile.model_construct(
        versions=versions,
        recipient=agency,
        originator=AgencyId(row.lane),
        certificate=bytes(row.certificate),
        following=tuple(bytes(one.certificate) for one in between),
        head_number=head.number,
        head_path=bytes(head.path),
        head_seal=_seal(db, head.seal),
        manifest=bytes(row.manifest_bytes),
        path=bytes(row.path),
        seal=_seal(db, row.seal),
    )


async def export_ledger(folder: Path, lane: AgencyId) -> LedgerFile:
    """A ledger up to its newest checkpoint; all of it, unsigned, where there is none. Raises: `DeployError`."""
    run = _run_of(folder, lane)
    domains = read_ceremony(folder).arrangement.domains
    async with reached(run) as (bootstrap, tls):
        connection = Connection(bootstrap, client_context(tls))
        versions = await _versions(connection, run)
        ledger = await read_ledger(connection, domains, lane, run.record.prefix)
    entries, checkpoint = ledger.entries, None
    if ledger.checkpoints:
        newest = ledger.checkpoints[-1]
        checkpoint = CheckpointFile.of(lane, sealed_note(newest))
        entries = _first(entries, parse_checkpoint(parse_note(newest.note).text).size)
    return LedgerFile.model_construct(
        versions=versions, originator=lane, entries=tuple(entries), checkpoint=checkpoint
    )


def _first(entries: list[bytes], leaves: int) -> list[bytes]:
    """The entries up to so many leaves."""
    count = 0
    for place, data in enumerate(entries):
        if count == leaves:
            return entries[:place]
        count += isinstance(parse_ledger_entry(data), LeafEntry)
    return entries


def _run_of(folder: Path, agency: AgencyId) -> Run:
    run = Run.open(folder)
    known = read_ceremony(folder).arrangement.directory.agency_ids
    if agency not in known:
        raise Refused(f"'{agency}' has no part in this run, but {', '.join(known)}")
    return run


async def _versions(connection: Connection, run: Run) -> tuple[bytes, ...]:
    """What members signed, in order; a message that no member signed is no version."""
    history, found = History(Digest(read_ceremony(run.folder).arrangement.digest)), list[bytes]()
    async for message, _ in read_all(connection, arrangement_topic(run.record.prefix)):
        if history.hear(message.value) is None:
            found.append(message.value)
    return tuple(found)


def _seal(db: SqlConnection, digest: bytes) -> bytes:
    """Raises: `DeployError` for a seal that the store has lost."""
    data = db.scalar(select(seals.c.bytes).where(seals.c.digest == digest))
    if data is None:
        raise DeployError(f"seal {bytes(digest).hex()[:16]} is not in the store")
    return bytes(data)
