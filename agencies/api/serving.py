"""The server of a node's API: it answers before the node says that it runs, and ends within seconds when the node does.

It runs inside the node's task group: what is cancelled there still lets the requests under way come to their end, for a
while, since the store is closed only afterwards.
"""

import asyncio
import logging
import socket
from typing import Final

from agencies.api.settings import OfficersApi
from agencies.errors import NotServed
from schemas.http.asgi import App
from schemas.http.serving import GRACE_S, Server, bind, url_of
from schemas.ids import AgencyId

log = logging.getLogger("entente.agencies.api")

ADDRESS: Final = "officers' api at "
_MOST_CONNECTIONS: Final = 200


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
                server.stop()
                await asyncio.wait([serving], timeout=2 * GRACE_S)
                serving.cancel()
        finally:
            place.close()
        serving.result()
        raise NotServed(f"the API of '{self._agency}' has ended")

    def _bound(self) -> socket.socket:
        try:
            return bind(self._settings)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise NotServed(f"the API of '{self._agency}' cannot listen at '{where}': {error}") from error

    def _server(self, app: App, place: socket.socket) -> Server:
        url = url_of(self._settings, place)

        def begun() -> None:
            log.info("%s: %s%s", self._agency, ADDRESS, url)
            self.started.set()

        try:
            return Server(app, self._settings, _MOST_CONNECTIONS, begun)
        except OSError as error:
            raise NotServed(
                f"the TLS files of the API of '{self._agency}' cannot be used: {error}"
            ) from error
