"""The broker's composition root: `python -m broker SETTINGS.json`.

Exit codes: 0 stopped on request, 2 settings or keys, 3 another worker owns the shard, 4 a hung transaction,
5 the same message failed three times, 6 the arrangement is not to be believed, or names a key that is not here,
7 lanes have moved (`entente reshard`).

Whoever restarts workers may do it after any of them: a start fences the earlier owner, and what that one left undone is
done again. After 3 it need not, since the shard is served; after the others an operator has to look.
"""

import asyncio
import logging
import ssl
import sys
from pathlib import Path

from broker.errors import HungTransaction, Moved, NoKey, Stuck, Zombie
from broker.kafka import Connection
from broker.keystore import Keystore
from broker.policy import PolicyError
from broker.settings import BrokerSettings
from broker.shard import Shard, ShardSettings
from schemas.arrangement import ArrangementError
from schemas.entropy import SystemEntropy
from schemas.environment import OverFile
from schemas.ids import Digest
from schemas.logs import set_up_logging
from schemas.memory import keep_freed
from schemas.model import BadSettings, parse_settings
from schemas.stopping import when_asked_to_end
from schemas.threads import take_short_turns
from schemas.transport import client_context, renewed

log = logging.getLogger("entente.broker")


def read_keys(folder: Path) -> tuple[ssl.SSLContext, Keystore]:
    """The broker's own keys. Raises: `BadSettings` if the folder lacks one."""
    try:
        tls = client_context(folder)
        return tls, Keystore(folder)
    except (OSError, ValueError) as error:
        raise BadSettings(f"the broker's keys in '{folder}' cannot be used: {error}") from error


async def serve(settings: BrokerSettings, tls: ssl.SSLContext, keystore: Keystore) -> None:
    """Serve one shard until SIGTERM or SIGINT."""
    settings.state.mkdir(parents=True, exist_ok=True)
    shard = Shard(
        ShardSettings(
            settings.shard,
            settings.prefix,
            Digest(bytes.fromhex(settings.genesis)),
            settings.state / f"index-{settings.shard}.sqlite",
            settings.heads_every_s,
        ),
        Connection(settings.bootstrap, tls),
        keystore,
        SystemEntropy(),
        on_ready=lambda: print("ready", flush=True),
    )
    worker = asyncio.create_task(shard.run())
    renewing = asyncio.create_task(renewed(tls, settings.keys))
    loop = asyncio.get_running_loop()
    when_asked_to_end(lambda: loop.call_soon_threadsafe(worker.cancel))
    try:
        await worker
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        renewing.cancel()


def main() -> int:
    """Run and turn the broker's errors into exit codes."""
    if len(sys.argv) != 2:
        print("usage: python -m broker SETTINGS.json", file=sys.stderr)
        return 2
    keep_freed()
    take_short_turns()
    when_asked_to_end(lambda: sys.exit(0))
    try:
        settings = parse_settings(BrokerSettings, Path(sys.argv[1]).read_bytes(), sys.argv[1])
        tls, keystore = read_keys(settings.keys)
    except (OSError, BadSettings) as error:
        print(error, file=sys.stderr)
        return 2
    set_up_logging(settings.log, settings.log_level)
    for name in OverFile(BrokerSettings).strangers():
        log.info("'%s' is no setting of this process", name)
    try:
        asyncio.run(serve(settings, tls, keystore))
    except Zombie as error:
        log.error("%s", error)
        return 3
    except HungTransaction as error:
        log.critical("%s", error)
        return 4
    except Stuck as error:
        log.critical("%s", error)
        return 5
    except Moved as error:
        log.critical("%s", error)
        return 7
    except (ArrangementError, PolicyError, NoKey) as error:
        log.critical("%s", error)
        return 6
    return 0


if __name__ == "__main__":
    sys.exit(main())
