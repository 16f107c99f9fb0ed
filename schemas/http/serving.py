"""The server of a service: bound before it says where it is, ended within seconds when it is asked to.

What is asked for before a route sees it is bounded here too: connections, and the bytes of a request's head.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from schemas.http.asgi import App
from schemas.http.settings import Listening

#: How long requests under way may take to come to their end.
GRACE_S: Final = 3

_KEEP_ALIVE_S: Final = 15
_MOST_HEAD: Final = 64 * 1024


def bind(settings: Listening) -> socket.socket:
    """Take the address. Raises: `OSError` for one that cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((settings.host, settings.port))
    except OSError:
        place.close()
        raise
    return place


def url_of(settings: Listening, place: socket.socket) -> str:
    """Where the service is then."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http{'s' if settings.tls else ''}://{host}:{place.getsockname()[1]}"


class Server(uvicorn.Server):
    """Leaves signals to the process: uvicorn raises each one anew at its end, which would be a crash.

    `on_start` is called once it answers.
    """

    def __init__(
        self, app: App, settings: Listening, most_connections: int, on_start: Callable[[], None]
    ) -> None:
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
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=most_connections,
            h11_max_incomplete_event_size=_MOST_HEAD,
        )
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Let it end; no request is taken any more."""
        self.should_exit = True
