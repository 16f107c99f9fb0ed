"""The broker's producer: a transaction begins as soon as the cluster lets it, whatever aiokafka would sleep."""

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import ConcurrentTransactions, CoordinatorNotAvailableError, NoError
from aiokafka.producer.sender import BACKOFF_OVERRIDE
from aiokafka.structs import TopicPartition

from broker.kafka import Connection, Producer

PLACE = TopicPartition("deliver.fr-oltim", 0)


class Cluster:
    """A coordinator that answers to each request for partitions with the next of these errors."""

    def __init__(self, *errors: type[Exception]) -> None:
        self._answers = list(errors)

    async def send(self, node: int, request: object, *, group: object) -> object:
        error = self._answers.pop(0)
        return SimpleNamespace(errors=[(PLACE.topic, [(PLACE.partition, error.errno)])])  # type: ignore[attr-defined]


async def _slept(monkeypatch: pytest.MonkeyPatch, *errors: type[Exception]) -> list[float]:
    """How long the sender of a producer slept, request after request, until it had its partition."""
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def coordinator(*_: object) -> int:
        return 1

    producer = Producer(Connection("nowhere:1", ssl.create_default_context()), "entente-0")
    sender: Any = producer._producer._sender
    manager = sender._txn_manager
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    manager.maybe_add_partition_to_txn(PLACE)
    sender.client = Cluster(*errors)
    with monkeypatch.context() as patch:
        patch.setattr(sender, "_find_coordinator", coordinator)
        patch.setattr(asyncio, "sleep", sleep)
        while manager.partitions_to_add():
            await sender._maybe_do_transactional_request()
    await producer.discard()
    return slept


async def test_a_transaction_asks_again_soon_while_the_one_before_is_not_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = ConcurrentTransactions
    assert await _slept(monkeypatch, busy, busy, busy, NoError) == [0.001, 0.002, 0.004]
    assert (await _slept(monkeypatch, *[busy] * 9, NoError))[5:] == [0.02] * 4
    assert BACKOFF_OVERRIDE == 0.02, "what aiokafka sleeps for this reason alone, by which it is known here"


async def test_other_errors_are_waited_out_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _slept(monkeypatch, CoordinatorNotAvailableError, NoError) == [0.1]
