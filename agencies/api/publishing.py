"""Publishing for officers: what is asked for twice under one key is sealed once, through a crash of the node too.

- A claim to the key is kept first, with the record's id and time of creation; whoever asks again gets that id.
- One task a record: it looks whether the record was sealed, and hands it in if not. A caller may leave.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from agencies.drafting import Draft
from agencies.outbox import Outbox
from agencies.store import Store
from agencies.store.publications import Publication, Sealed, claim, sealed
from schemas.clock import Clock
from schemas.entropy import Entropy
from schemas.ids import OfficerId, RecordId, new_record_id

Drafted = Callable[[RecordId, int], Draft]
"""From a record's id and its time of creation, in whole seconds, to the draft."""


class KeyTaken(Exception):
    """Something else was asked for under this key."""


class Publisher:
    """Hands drafts of officers to the outbox. While `stopped` is set, nothing may be published."""

    def __init__(self, store: Store, outbox: Outbox, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._entropy = entropy
        self._under_way: dict[RecordId, asyncio.Task[Sealed]] = {}
        self.stopped = False

    async def publish(self, officer: OfficerId, key: str, body: bytes, drafted: Drafted) -> Sealed:
        """The record, once it is sealed and kept. `body`: digest of what is asked for.

        Raises: `KeyTaken`, `agencies.errors.DraftRefused`.
        """
        created_s = self._clock.now_ms() // 1000
        wanted = Publication(officer, key, body, new_record_id(self._clock, self._entropy), created_s)
        now = time.time_ns() // 1_000_000
        held = await self._store.run(lambda c: claim(c, wanted, now))
        if held.body != body:
            raise KeyTaken
        task = self._under_way.get(held.record_id)
        if task is None:
            task = asyncio.create_task(self._once(drafted(held.record_id, held.created_s)))
            self._under_way[held.record_id] = task
            task.add_done_callback(partial(self._ended, held.record_id))
        return await asyncio.shield(task)

    async def _once(self, draft: Draft) -> Sealed:
        found = await self._store.run(lambda c: sealed(c, draft.record_id))
        if found is None:
            await (await self._outbox.put(draft))
            found = await self._store.run(lambda c: sealed(c, draft.record_id))
            assert found is not None
        return found

    def _ended(self, record_id: RecordId, task: "asyncio.Task[Sealed]") -> None:
        del self._under_way[record_id]
        if not task.cancelled():
            task.exception()  # whoever waits is told; if nobody does any more, it is no complaint

    async def close(self) -> None:
        """End what is under way; a claim stays, and asking again goes on from it."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
