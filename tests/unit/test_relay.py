"""The relay on a real store: what waits goes together and in order; what nobody noted goes again, the same bytes."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import insert, select

from agencies.kafka import Connection
from agencies.outbox import Relay
from agencies.store import Store
from agencies.store.tables import outbox

NOWHERE = Connection("nowhere:1", ssl.create_default_context())
SMALL = [bytes([n]) * 1000 for n in range(40)]
LARGE = [bytes([n]) * 900_000 for n in range(3)] + [b"x" * 4_000_000, b"y"]


class Log:
    """Stands for the sender: a log that fails as often as told, with or without having taken the messages."""

    def __init__(self, fails: Sequence[bool | None] = ()) -> None:
        self._fails = list(fails)
        self.requests: list[list[bytes]] = []
        self.log: list[bytes] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, _topic: str, values: Sequence[bytes]) -> int:
        taken = self._fails.pop(0) if self._fails else None
        self.requests.append(list(values))
        if taken is not False:
            self.log += values
        if taken is not None:
            raise ConnectionError("the answer is lost")
        return len(self.log) - len(values)


async def relayed(store: Store, log: Log, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a relay run until everything has an offset; the offsets."""
    monkeypatch.setattr("agencies.outbox.Sender", lambda _: log)
    relay = asyncio.ensure_future(Relay(store, NOWHERE, "submit", asyncio.Event()).run())
    async with asyncio.timeout(60):
        while None in (found := await offsets(store)):
            await asyncio.sleep(0.01)
    relay.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await relay
    return found


async def offsets(store: Store) -> list[int]:
    return list(await store.run(lambda c: c.scalars(select(outbox.c.offset).order_by(outbox.c.parcel)).all()))


async def filled(store: Store, parcels: Sequence[bytes]) -> None:
    rows = [{"bytes": data, "sealed_at_ms": 0} for data in parcels]
    await store.run(lambda c: c.execute(insert(outbox), rows))


@pytest.mark.parametrize(
    "parcels, requests", [(SMALL, [32, 8]), (LARGE, [2, 1, 1, 1])], ids=["by number", "by size"]
)
async def test_what_waits_goes_together_within_bounds_and_in_its_order(
    store_url: str, monkeypatch: pytest.MonkeyPatch, parcels: list[bytes], requests: list[int]
) -> None:
    async with Store(store_url) as store:
        await filled(store, parcels)
        log = Log()
        assert await relayed(store, log, monkeypatch) == list(range(len(parcels)))
    assert log.log == parcels
    assert [len(request) for request in log.requests] == requests


@pytest.mark.parametrize("taken", [True, False], ids=["in the log", "not in the log"])
async def test_what_nobody_answered_goes_again_before_anything_else(
    store_url: str, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    async with Store(store_url) as store:
        await filled(store, SMALL)
        log = Log([taken, taken])
        found = await relayed(store, log, monkeypatch)
    first = SMALL[:32]
    assert log.requests == [first, first, first, SMALL[32:]]
    assert [log.log[offset] for offset in found] == SMALL


async def test_what_was_sent_and_not_noted_goes_again_after_a_restart(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Store(store_url) as store:
        await filled(store, SMALL[:3])
        log = Log()
        real: Callable[..., object] = store.run
        monkeypatch.setattr("agencies.outbox.Sender", lambda _: log)

        async def broken(work: Callable[..., object], *, once: bool = False) -> object:
            if log.log:
                raise RuntimeError("killed before the offsets were noted")
            return await real(work, once=once)  # type: ignore[misc]

        monkeypatch.setattr(store, "run", broken)
        with pytest.raises(RuntimeError):
            await Relay(store, NOWHERE, "submit", asyncio.Event()).run()
        monkeypatch.setattr(store, "run", real)
        assert await relayed(store, log, monkeypatch) == [3, 4, 5]
    assert log.log == SMALL[:3] * 2
