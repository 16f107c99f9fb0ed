"""A node host's composition root: `python -m agencies SETTINGS.json` runs 1..n nodes.

In a shared host nodes share nothing but the event loop. Exit codes: 0 stopped on request, 2 settings, keys
or the address of an API, 6 the arrangement is not to be believed or has another entry for us.
"""

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from agencies.errors import BadKeys, NodeError, NotServed
from agencies.node import Node, Place
from agencies.settings import HostSettings
from schemas.arrangement import ArrangementError
from schemas.clock import SystemClock
from schemas.entropy import SystemEntropy
from schemas.environment import OverFile
from schemas.ids import Digest
from schemas.logs import set_up_logging
from schemas.memory import keep_freed
from schemas.model import BadSettings, parse_settings
from schemas.stopping import when_asked_to_end
from schemas.threads import take_short_turns

log = logging.getLogger("entente.agencies")


async def serve(settings: HostSettings) -> None:
    """Run all nodes until SIGTERM or SIGINT; the first that dies ends the host."""
    place = Place(settings.bootstrap, settings.prefix, Digest(bytes.fromhex(settings.genesis)))
    clock, entropy = SystemClock(), SystemEntropy()
    nodes = asyncio.ensure_future(_run_all([Node(n, place, clock, entropy) for n in settings.nodes]))
    loop = asyncio.get_running_loop()
    when_asked_to_end(lambda: loop.call_soon_threadsafe(nodes.cancel))
    try:
        await nodes
    except asyncio.CancelledError:
        log.info("stopped")


async def _run_all(nodes: list[Node]) -> None:
    async with asyncio.TaskGroup() as group:
        for node in nodes:
            group.create_task(node.run(), name=node.agency)


def main() -> int:
    """Run and turn errors into exit codes."""
    if len(sys.argv) != 2:
        print("usage: python -m agencies SETTINGS.json", file=sys.stderr)
        return 2
    keep_freed()
    take_short_turns()
    when_asked_to_end(lambda: sys.exit(0))
    try:
        settings = parse_settings(HostSettings, Path(sys.argv[1]).read_bytes(), sys.argv[1])
    except (OSError, BadSettings) as error:
        print(error, file=sys.stderr)
        return 2
    set_up_logging(settings.log, settings.log_level)
    for name in OverFile(HostSettings).strangers():
        log.info("'%s' is no setting of this process", name)
    try:
        asyncio.run(serve(settings))
    except BaseExceptionGroup as group:
        known, other = group.split((NodeError, ArrangementError))
        if other is not None:
            raise
        errors = list(_leaves(known))
        for each in errors:
            log.critical("%s", each)
        return 2 if all(isinstance(each, BadKeys | NotServed) for each in errors) else 6
    return 0


def _leaves(group: BaseExceptionGroup | None) -> Iterator[BaseException]:
    """The errors themselves, without the task groups that they came through."""
    for error in () if group is None else group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
