"""The server of a node's API: bound before the node says that it runs, ended within seconds when the node is.

It runs inside the node's task group: what is cancelled there still lets the requests under way come to their end, for a
while, since the store is closed only afterwards.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from agencies.api.settings import OfficersApi
from agencies.errors import NotServed
from schemas.http.asgi import App
from schemas.ids import AgencyId

log = logging.getLogger("entente.agencies.api")

ADDRESS: Final = "officers' api at "
_GRACE_S: Final = 3


class Listener:
    """Where the API listens. `started` is set once it answers."""

    def __init__(self, settings: OfficersApi, agency: AgencyId) -> None:
        self._settings = settings
        self._agency = agency
        self.started = asyncio.Event()

    async def serve(self, app: App) -> None:
        """Serve until cancelled. Raises: `NotServed` for an address, a certificate or a key that cannot be used."""
        place = self._bound()
        try:
            server = self._server(app, place)
            serving = asyncio.ensure_future(server.serve(sockets=[place]))
            try:
                await asyncio.wait([serving])
            finally:
                server.should_exit = True
                await asyncio.wait([serving], timeout=2 * _GRACE_S)
                serving.cancel()
        finally:
            place.close()
        serving.result()
        raise NotServed(f"the API of '{self._agency}' has ended")

    def _bound(self) -> socket.socket:
        try:
            return _bind(self._settings)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise NotServed(f"the API of '{self._agency}' cannot listen at '{where}': {error}") from error

    def _url(self, place: socket.socket) -> str:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http{'s' if self._settings.tls else ''}://{host}:{place.getsockname()[1]}"

    def _server(self, app: App, place: socket.socket) -> "_Server":
        settings = self._settings
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=settings.behind_proxy,
            ssl_certfile=None if settings.tls is None else str(settings.tls.certificate),
            ssl_keyfile=None if settings.tls is None else str(settings.tls.key),
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE_S,
            limit_concurrency=200,
            h11_max_incomplete_event_size=64 * 1024,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise NotServed(
                f"the TLS files of the API of '{self._agency}' cannot be used: {error}"
            ) from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        return _Server(config, f"{self._agency}: {ADDRESS}{self._url(place)}", self.started)


class _Server(uvicorn.Server):
    """Leaves signals to the host, and says where it answers once it does."""

    def __init__(self, config: uvicorn.Config, said: str, begun: asyncio.Event) -> None:
        super().__init__(config)
        self._said = said
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        log.info("%s", self._said)
        self._begun.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(settings: OfficersApi) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((settings.host, settings.port))
    except OSError:
        place.close()
        raise
    return place
