"""Where recorded decisions come from: the ledgers of a run, finished or going on, and ledgers that were exported.

- Entries are given on as they are read, with the ledger that they belong to; a lane is not held.
- An exported file is one JSON document and is read whole, one file at a time. Its federation is that of the versions it
  holds. Neither is verified: that is what `entente verify ledger` does.
- One originator's ledger is read once: two sources that hold the same one are refused.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

from pydantic import ValidationError

from broker.kafka import Connection, read_many
from broker.policy.history import Replay
from broker.policy.recorded import HistoryError, LaneHistory
from deploy.errors import Refused
from deploy.stage.reach import opened, reached
from schemas.arrangement import ArrangementError, read_proposal
from schemas.canonical import Domains
from schemas.exports import LedgerFile
from schemas.frames import BadFrame, parse_parcel
from schemas.ids import AgencyId
from schemas.topics import ledger_topic
from schemas.transport import client_context

_PIECE = 1000
"""Entries of a file that are given on together."""

Piece = tuple[LaneHistory, Sequence[bytes]]
"""Some entries of a ledger that follow on those before."""


async def replay_sources(sources: Iterable[Path], replay: Replay) -> AsyncIterator[LaneHistory]:
    """Give every record of the sources to the replay; yields after each piece the ledger that it came from.

    A source is a run's folder or a file as `entente ledger export` writes it.
    Raises: `Refused` for a source that cannot be read, `DeployError` where a run's cluster cannot be reached.
    """
    known: dict[AgencyId, Path] = {}
    for source in sources:
        async with aclosing(_pieces(source)) as pieces:
            try:
                async for ledger, entries in pieces:
                    if known.setdefault(ledger.lane, source) is not source:
                        raise Refused(
                            f"'{source}': the ledger of '{ledger.lane}' is in '{known[ledger.lane]}' too"
                        )
                    for record in ledger.read_all(entries):
                        replay.take(record)
                    yield ledger
            except (HistoryError, BadFrame) as error:
                raise Refused(f"'{source}': {error}") from error


def _pieces(source: Path) -> AsyncGenerator[Piece, None]:
    if not source.exists():
        raise Refused(f"'{source}' is neither the folder of a run nor an exported ledger")
    return _of_run(source) if source.is_dir() else _of_file(source)


async def _of_run(folder: Path) -> AsyncGenerator[Piece, None]:
    run, ceremony = opened(folder)
    arrangement = ceremony.arrangement
    lanes = arrangement.directory.agency_ids
    topics = {ledger_topic(a, run.record.prefix): LaneHistory(arrangement.domains, a) for a in lanes}
    async with reached(run) as (bootstrap, tls):
        connection = Connection(bootstrap, client_context(tls))
        async for topic, message, _ in read_many(connection, {(topic, 0): 0 for topic in topics}):
            yield topics[topic], parse_parcel(message.value).entries


async def _of_file(file: Path) -> AsyncGenerator[Piece, None]:
    domains, found = _exported(file)
    ledger = LaneHistory(domains, found.originator)
    for at in range(0, max(1, len(found.entries)), _PIECE):
        yield ledger, found.entries[at : at + _PIECE]


def _exported(file: Path) -> tuple[Domains, LedgerFile]:
    try:
        found = LedgerFile.model_validate_json(file.read_bytes())
        if not found.versions:
            raise Refused(f"'{file}': versions: expected the genesis, found no version")
        return read_proposal(found.versions[0])[0].domains, found
    except OSError as error:
        raise Refused(f"'{file}' cannot be read: {error.strerror}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))[:100] or "file"
        raise Refused(f"'{file}': {where}: expected a ledger as it is exported: {fault['msg']}") from error
    except ArrangementError as error:
        raise Refused(f"'{file}': versions.0: {error}") from error
