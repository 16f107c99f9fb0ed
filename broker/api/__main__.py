"""The broker API's composition root: `python -m broker.api SETTINGS.json`.

A process of its own: it follows what was signed and the ledgers, and serves what they say. It has the broker's TLS
identity on the cluster, and reads no key that signs.

Exit codes: 0 stopped on request, 2 settings, keys or address, 5 a ledger that cannot be followed, 6 the arrangement is
not to be believed.
"""

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from broker.api.app import Doors, make_app
from broker.api.certifying import Certificates
from broker.api.context import Parts
from broker.api.fetching import fetch
from broker.api.settings import ApiSettings
from broker.api.signed import Signed
from broker.api.streams import Streams
from broker.errors import BrokerError
from broker.kafka import Connection, up
from broker.projection import Database, Projection
from broker.projection.follower import Follower
from schemas.arrangement import ArrangementError
from schemas.environment import OverFile
from schemas.http.asgi import App
from schemas.http.callers import Callers
from schemas.http.keysets import KeySource
from schemas.http.tokens import Issuer, broker_audience
from schemas.ids import Digest
from schemas.logs import set_up_logging
from schemas.model import BadSettings, parse_settings
from schemas.stopping import when_asked_to_end
from schemas.topics import arrangement_topic
from schemas.transport import client_context, renewed

log = logging.getLogger("entente.broker.api")

_GRACE_S = 3


async def serve(settings: ApiSettings, tls: ssl.SSLContext) -> None:
    """Serve until SIGTERM or SIGINT, or until a follower fails: then the process ends with its error."""
    async with Database(settings.broker_store_url.get_secret_value()) as database:
        await _serve(settings, tls, database)


async def _serve(settings: ApiSettings, tls: ssl.SSLContext, database: Database) -> None:
    connection = Connection(settings.bootstrap, tls)
    topic = arrangement_topic(settings.prefix)
    signed = Signed(Digest(bytes.fromhex(settings.genesis)))
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

    parts = Parts(signed, projection, Certificates(projection), Streams(settings.most_streams), lacking)
    own = {
        name: Issuer(issuer.key, frozenset({issuer.role}), None) for name, issuer in settings.issuers.items()
    }
    callers = Callers(
        lambda: {**own, **signed.issuers(parts.real_ms())},
        broker_audience(genesis.body.federation),
        tuple(KeySource(provider, fetch) for provider in settings.providers),
    )
    doors = Doors(settings.most_body, settings.address_rate, settings.caller_rate)
    place = _bind(settings)
    address = _address(settings, place)
    server = _server(
        settings,
        make_app(parts, callers, doors),
        on_start=lambda: print(f"broker api at {address}", flush=True),
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
        await asyncio.wait(tasks, timeout=2 * _GRACE_S)


class _Server(uvicorn.Server):
    """Leaves signals to the composition root: uvicorn raises each one anew at its end, which would be a crash."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


def _server(settings: ApiSettings, app: App, on_start: Callable[[], None]) -> _Server:
    """Raises: `OSError` for a certificate or key that cannot be used."""
    tls = settings.tls
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        ssl_certfile=None if tls is None else str(tls.certificate),
        ssl_keyfile=None if tls is None else str(tls.key),
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=2 * settings.most_streams + 200,
        h11_max_incomplete_event_size=64 * 1024,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return _Server(config, on_start)


def _bind(settings: ApiSettings) -> socket.socket:
    """Raises: `OSError` for an address that cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind((settings.host, settings.port))
    return place


def _address(settings: ApiSettings, place: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http{'s' if settings.tls else ''}://{host}:{place.getsockname()[1]}"


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
