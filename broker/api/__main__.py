"""The broker API's composition root: `python -m broker.api SETTINGS.json`.

A process of its own: it follows what was signed and the ledgers, and serves what they say. It has the broker's TLS
identity on the cluster, and reads no key that signs.

Exit codes: 0 stopped on request, 2 settings, keys or address, 5 a ledger that cannot be followed, 6 the arrangement is
not to be believed.
"""

import asyncio
import logging
import ssl
import sys
from pathlib import Path

from broker.api.app import make_app
from broker.api.certifying import Certificates
from broker.api.context import Parts
from broker.api.settings import ApiSettings
from broker.api.signed import Followed
from broker.api.streams import Streams
from broker.api.workshop import Workshop
from broker.errors import BrokerError
from broker.kafka import Connection, up
from broker.projection import Database, Projection
from broker.projection.follower import Follower
from schemas.arrangement import ArrangementError
from schemas.environment import OverFile
from schemas.http.callers import Callers
from schemas.http.doors import Doors
from schemas.http.fetching import fetch
from schemas.http.keysets import KeySource
from schemas.http.serving import GRACE_S, Server, bind, url_of
from schemas.http.tokens import Issuer, broker_audience
from schemas.ids import Digest
from schemas.logs import set_up_logging
from schemas.model import BadSettings, parse_settings
from schemas.stopping import when_asked_to_end
from schemas.topics import arrangement_topic
from schemas.transport import client_context, renewed

log = logging.getLogger("entente.broker.api")

#: Connections beside those that streams may hold.
_MOST_REQUESTS = 200


async def serve(settings: ApiSettings, tls: ssl.SSLContext) -> None:
    """Serve until SIGTERM or SIGINT, or until a follower fails: then the process ends with its error."""
    async with Database(settings.broker_store_url.get_secret_value()) as database:
        await _serve(settings, tls, database)


async def _serve(settings: ApiSettings, tls: ssl.SSLContext, database: Database) -> None:
    connection = Connection(settings.bootstrap, tls)
    topic = arrangement_topic(settings.prefix)
    signed = Followed(Digest(bytes.fromhex(settings.genesis)))
    await up(connection)
    await signed.load(connection, topic)
    genesis = signed.standing.arrangement
    lanes = genesis.directory.agency_ids
    projection = Projection(database, genesis.domains, lanes, settings.prefix, signed.rules_of)
    follower = Follower(projection, connection)

    async def lacking() -> str | None:
        if not signed.reached or follower.behind is None:
            return "cluster"
        return "projection" if follower.behind > settings.most_lag else None

    parts = Parts(
        signed,
        projection,
        Certificates(projection),
        Streams(settings.most_streams),
        Workshop(settings.most_work_s),
        lacking,
    )
    own = {
        name: Issuer(issuer.key, frozenset({issuer.role}), None) for name, issuer in settings.issuers.items()
    }
    callers = Callers(
        lambda: {**own, **signed.issuers(parts.real_ms())},
        broker_audience(genesis.body.federation),
        tuple(KeySource(provider, fetch) for provider in settings.providers),
    )
    doors = Doors(settings.most_body, settings.address_rate, settings.caller_rate)
    place = bind(settings)
    address = url_of(settings, place)
    server = Server(
        make_app(parts, callers, doors),
        settings,
        2 * settings.most_streams + _MOST_REQUESTS,
        lambda: print(f"broker api at {address}", flush=True),
    )
    followers = [
        asyncio.create_task(signed.follow(connection, topic)),
        asyncio.create_task(follower.run()),
        asyncio.create_task(renewed(tls, settings.keys)),
    ]
    serving = asyncio.create_task(server.serve(sockets=[place]))
    loop = asyncio.get_running_loop()
    when_asked_to_end(lambda: loop.call_soon_threadsafe(server.stop))
    tasks = [serving, *followers]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        server.stop()
        for task in followers:
            task.cancel()
        await asyncio.wait(tasks, timeout=2 * GRACE_S)


def main() -> int:
    """Run and turn errors into exit codes."""
    if len(sys.argv) != 2:
        print("usage: python -m broker.api SETTINGS.json", file=sys.stderr)
        return 2
    when_asked_to_end(lambda: sys.exit(0))
    try:
        settings = parse_settings(ApiSettings, Path(sys.argv[1]).read_bytes(), sys.argv[1])
        tls = client_context(settings.keys)
    except (OSError, BadSettings) as error:
        print(error, file=sys.stderr)
        return 2
    set_up_logging(settings.log, settings.log_level)
    for name in OverFile(ApiSettings).strangers():
        log.info("'%s' is no setting of this process", name)
    try:
        asyncio.run(serve(settings, tls))
    except BrokerError as error:
        log.critical("%s", error)
        return 5
    except ArrangementError as error:
        log.critical("%s", error)
        return 6
    except OSError as error:
        log.critical("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
