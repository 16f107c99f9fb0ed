"""A federation that runs for real, for tests: publish a record, see what was decided, who stored it, change the rules.

- Kafka, broker and nodes are the programs themselves, started by what `entente demo` starts them by; all of them listen
  on the loopback, on ports that were free, and end with the testbed, or with the process that holds it.
- A record is published by an officer, over HTTP, and goes the whole way from there.
- What is asked is read from ledgers and stores, by nobody's leave; nothing here trusts a counter.
- Every wait is for a condition and has a generous limit; a broker or node that has ended by itself ends it at once.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self, TypeVar
from uuid import UUID, uuid4

from aiokafka.errors import KafkaError
from pydantic import JsonValue
from sqlalchemy.exc import OperationalError

from agencies.store import holdings
from broker.policy.drafted import DraftedRecord
from deploy.arrangements import ArrangementError, ArrangementSource, read_arrangement
from deploy.cli.officer_client import OfficerClient, officer_token
from deploy.doctor import java_findings
from deploy.errors import DeployError, Missing, Refused
from deploy.kafka import jars
from deploy.stage.addresses import Addresses
from deploy.stage.count import Audited, audit, operational
from deploy.stage.evidence import read_only, read_store, version_in_force
from deploy.stage.run import Run, RunRecord
from deploy.stage.services import Services
from deploy.stage.work import PlanWork
from deploy.testbed.decision import Decision, find_decision
from deploy.testbed.writing import Contents, read_drafted, whole_record
from schemas import arrangement as signed
from schemas.directory import Directory
from schemas.ids import AgencyId

_LIMIT_S: Final = 120.0
_LOOK_S: Final = 0.05
_OFFICER: Final = "analyst-1"

_Found = TypeVar("_Found")


class Testbed:
    """A running federation: `async with Testbed.start(arrangement, folder) as bed`. Records are known by UUID."""

    __test__ = False  # no test, whatever pytest makes of the name

    def __init__(self, services: Services) -> None:
        self._services = services
        self._published = 0

    @classmethod
    @asynccontextmanager
    async def start(cls, arrangement: Path | ArrangementSource, folder: Path) -> AsyncIterator[Self]:
        """A federation under an arrangement, by its folder or read already. `folder`: for keys, logs and databases.

        The jars of Apache Kafka are fetched where they are not there yet (`deploy.kafka.jars`).

        Raises:
            Missing: this computer lacks Java or Maven.
            Refused: the arrangement is not in order.
            DeployError: a service ended or did not get ready; the message names its log. `folder` is not empty.
        """
        source = _source(arrangement)
        await asyncio.to_thread(_prepare)
        run = Run.create(folder, RunRecord(arrangement=source.federation, seed=0, records=0))
        async with Services(run, source, PlanWork(source.directory, 0, 0), apis=True) as services:
            yield cls(services)

    @property
    def folder(self) -> Path:
        """Where everything of it lies: `logs/`, `agencies/<id>/store.sqlite`, keys; commands take it as a run."""
        return self._services.run.folder

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        return self._services.agencies

    @property
    def directory(self) -> Directory:
        """Of the version that was signed last."""
        return self._services.secretariat.history.current.arrangement.directory

    @property
    def addresses(self) -> Addresses:
        """The base URLs of the broker's API and of every node's, for clients of your own."""
        return self._services.addresses

    def token(self, agency: str, officer: str = _OFFICER) -> str:
        """An access token for an agency's node, ten minutes good. Raises: `Refused` for an agency there is none of.

        Every agency has the officers `analyst-1` and `chief`, and `dpo`, who protects its data.
        """
        return officer_token(self.folder, agency, officer)

    async def publish(
        self, record: DraftedRecord | Mapping[str, object], contents: Contents | None = None
    ) -> UUID:
        """Publish a record now, as an officer of its originator, and return its id once it is sealed and kept.

        `record`: originator, kind and each portion's label. `contents`: portion -> content; what is left out is
        invented.

        Raises: `Refused` with a line for each field that is not as expected; `DeployError` if the node has no answer.
        """
        drafted = read_drafted(record)
        self._published += 1
        now_ms = self._services.now_ms()
        body = whole_record(drafted, contents or {}, self.directory, now_ms, f"record-{self._published}")
        made = await asyncio.to_thread(self._ask, drafted.originator, "/v1/records", body)
        return UUID(str(made["record"]))

    def _ask(self, agency: AgencyId, path: str, body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        with OfficerClient.of_run(self.folder, agency, _OFFICER) as client:
            return client.post(path, body, **{"idempotency-key": str(uuid4())})

    async def decided(self, record: UUID) -> Decision:
        """What was decided on a record, once it is. Raises: `DeployError` after two minutes."""
        ledgers = self._services.secretariat.ledgers

        async def look() -> Decision | None:
            await ledgers.refresh()
            return find_decision(ledgers.by_lane, record)

        return await self._until(look, f"a decision on record {record}")

    async def received(self, agency: str, record: UUID) -> dict[str, dict[str, JsonValue]]:
        """The portions of a record that an agency stores, each by name with its content, once nothing is in flight.

        Raises: `Refused` for an agency that there is none of; `DeployError` after two minutes.
        """
        if agency not in self.agencies:
            raise Refused(f"'{agency}' is no member, but {', '.join(self.agencies)}")
        decision = await self.decided(record)
        await self.settled()
        own = AgencyId(agency)

        def read() -> dict[str, dict[str, JsonValue]]:
            with read_only(self._services.run.store(own)) as store:
                held = holdings.revision(store, own, decision.originator, record.bytes)
            return {} if held is None else {one.name: json.loads(text) for one, text in held.portions}

        return await asyncio.to_thread(read)

    async def settled(self) -> Audited:
        """Wait until nothing is in flight: all that was published has its fate, and receipts say the same.

        Returns the audit count: nothing in it should be lost, doubled, leaked or out of order. Raises: `DeployError`.
        """
        services = self._services
        ledgers = services.secretariat.ledgers

        async def look() -> Audited | None:
            # Stores first: what one of them has received is then in the ledgers, which are read after it.
            stores = {a: await asyncio.to_thread(read_store, services.run.store(a)) for a in self.agencies}
            await ledgers.refresh()
            counted = audit(ledgers.by_lane, stores, self.directory.active(services.now_ms()))
            known = operational(ledgers.by_lane)
            return None if counted.counts.in_flight or known.in_flight else counted

        return await self._until(look, "the end of what is in flight")

    async def activate(self, arrangement: Path | ArrangementSource) -> int:
        """Let members sign another version of the arrangement; return its number once all lanes and nodes act on it.

        Members, their identities and the number of lanes stay as they were.

        Raises: `Refused` if it is not in order, or cannot follow the one in force; `DeployError` after two minutes.
        """
        services, source = self._services, _source(arrangement)
        try:
            _follows(source, services.source)
            standing = await services.change_arrangement(source)
        except signed.ArrangementError as error:
            raise Refused(f"this arrangement cannot follow the one in force: {error}") from error
        await services.secretariat.activated(standing)
        digest = standing.arrangement.digest

        async def look() -> bool:
            urls = map(services.run.store, self.agencies)
            return all([await asyncio.to_thread(version_in_force, url) == digest for url in urls])

        await self._until(look, f"version {standing.arrangement.body.number} in every node")
        return standing.arrangement.body.number

    async def _until(self, look: Callable[[], Awaitable[_Found | None]], what: str) -> _Found:
        """Look until something is found. Raises: `DeployError`, `StartFailed` if a service has ended."""
        deadline = time.monotonic() + _LIMIT_S
        while True:
            self._services.check()
            try:
                if found := await look():
                    return found
            except (KafkaError, OSError, OperationalError) as error:  # away for a moment, or for good
                told = f" ({error})"
            else:
                told = ""
            if time.monotonic() > deadline:
                raise DeployError(
                    f"not within {_LIMIT_S:.0f} s: {what}{told}; see '{self._services.run.logs}'"
                )
            await asyncio.sleep(_LOOK_S)


def _source(arrangement: Path | ArrangementSource) -> ArrangementSource:
    if isinstance(arrangement, ArrangementSource):
        return arrangement
    try:
        return read_arrangement(arrangement)
    except ArrangementError as error:
        raise Refused(str(error)) from error


def _follows(source: ArrangementSource, running: ArrangementSource) -> None:
    """What no signature could mend, told in the words of the folder. Raises: `schemas.arrangement.ArrangementError`."""
    if source.federation != running.federation:
        raise signed.ArrangementError(f"it is of '{source.federation}', not of '{running.federation}'")
    members, found = running.directory.agency_ids, source.directory.agency_ids
    if members != found:
        raise signed.ArrangementError(
            f"members stay while a federation runs: expected {', '.join(members)}, found {', '.join(found)}"
        )


def _prepare() -> None:
    """Raises: `Missing`, `DeployError`."""
    if (sentence := next(java_findings(), None)) is not None:
        raise Missing(sentence)
    jars.ensure()
