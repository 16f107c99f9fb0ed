"""The testbed for tests that know no event loop: a thread has the loop, and each call waits for its answer.

The thread starts the services and lives until they have ended, so they die with the process as they do elsewhere.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from operator import methodcaller
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

from pydantic import JsonValue

from broker.policy.drafted import DraftedRecord
from deploy.arrangements import ArrangementSource
from deploy.errors import DeployError
from deploy.processes import Keeper
from deploy.stage.addresses import Addresses
from deploy.stage.count import Audited
from deploy.testbed.bed import Testbed
from deploy.testbed.decision import Decision
from deploy.testbed.writing import Contents
from schemas.directory import Directory
from schemas.ids import AgencyId

_T = TypeVar("_T")

__tracebackhide__ = methodcaller("errisinstance", DeployError)  # pytest then shows the line of the test


class PlainTestbed:
    """A running federation: `with PlainTestbed.start(arrangement, folder) as bed`. See `Testbed` for each call."""

    __test__ = False  # no test, whatever pytest makes of the name

    def __init__(self, bed: Testbed, thread: "_BedThread") -> None:
        self._bed = bed
        self._thread = thread

    @classmethod
    @contextmanager
    def start(cls, arrangement: Path | ArrangementSource, folder: Path) -> Iterator[Self]:
        """Raises: as `Testbed.start`."""
        thread = _BedThread(arrangement, folder)
        thread.start()
        try:
            yield cls(thread.bed.result(), thread)
        finally:
            thread.end()

    @property
    def folder(self) -> Path:
        return self._bed.folder

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        return self._bed.agencies

    @property
    def directory(self) -> Directory:
        return self._bed.directory

    @property
    def addresses(self) -> Addresses:
        return self._bed.addresses

    def token(self, agency: str, officer: str = "analyst-1") -> str:
        return self._bed.token(agency, officer)

    def publish(self, record: DraftedRecord | Mapping[str, object], contents: Contents | None = None) -> UUID:
        return self._thread.call(self._bed.publish(record, contents))

    def decided(self, record: UUID) -> Decision:
        return self._thread.call(self._bed.decided(record))

    def received(self, agency: str, record: UUID) -> dict[str, dict[str, JsonValue]]:
        return self._thread.call(self._bed.received(agency, record))

    def settled(self) -> Audited:
        return self._thread.call(self._bed.settled())

    def activate(self, arrangement: Path | ArrangementSource) -> int:
        return self._thread.call(self._bed.activate(arrangement))


class _BedThread(Keeper):
    """The thread in which one testbed lives, from its start to its end."""

    def __init__(self, arrangement: Path | ArrangementSource, folder: Path) -> None:
        # A daemon, so that an interpreter that ends without `end` does not wait for it; the services end with it.
        super().__init__(name="testbed", daemon=True)
        self._arrangement = arrangement
        self._folder = folder
        self._living: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
        self._failed: BaseException | None = None
        self.bed: Future[Testbed] = Future()

    def run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            # While it starts whoever waits for it is told, later whoever ends it; being cancelled is how it ends.
            if not self.bed.done():
                self.bed.set_exception(error)
            elif not isinstance(error, asyncio.CancelledError):
                self._failed = error

    async def _live(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._living.set_result((asyncio.get_running_loop(), task))
        async with Testbed.start(self._arrangement, self._folder) as bed:
            self.bed.set_result(bed)
            await asyncio.Event().wait()

    def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do it in the thread's loop and wait for it."""
        loop, _ = self._living.result()
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except DeployError as error:
            raise error.with_traceback(None) from None  # its sentence tells what its causes told
        finally:
            future.cancel()  # where the wait was interrupted; what is done stays done

    def end(self) -> None:
        """Stop everything, or what there is of it yet, and wait for that. Raises: what went wrong meanwhile."""
        loop, task = self._living.result()
        with suppress(RuntimeError):  # the loop is closed: it has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        self.join()
        if self._failed is not None:
            raise self._failed
