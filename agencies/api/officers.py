"""A node's API put together from its settings: whom it believes, what it works with, where it listens."""

import ssl
from collections.abc import Callable
from pathlib import Path

from agencies.api.app import make_app
from agencies.api.broker import BrokerDoor
from agencies.api.context import Parts
from agencies.api.publishing import Publisher
from agencies.api.serving import Listener
from agencies.api.settings import OfficersApi
from agencies.errors import BadKeys, NotServed
from agencies.keystore import ISSUING
from agencies.outbox import Outbox
from agencies.roster import RosterFile
from agencies.store import Store
from schemas.arrangement import Arrangement
from schemas.clock import Clock
from schemas.entropy import Entropy
from schemas.http.callers import Callers
from schemas.http.doors import Doors
from schemas.http.fetching import fetch
from schemas.http.keysets import KeySource
from schemas.http.tokens import ApiRole, Issuer, node_audience, public_key
from schemas.ids import AgencyId
from schemas.keys import SigningPair

_SEED_BYTES = 32


class Officers:
    """The API of one node. `signing`: the version that our lane is decided under, and the pair that signs in it."""

    def __init__(
        self,
        settings: OfficersApi,
        agency: AgencyId,
        keys: Path,
        store: Store,
        outbox: Outbox,
        clock: Clock,
        entropy: Entropy,
        signing: Callable[[], tuple[Arrangement, SigningPair]],
    ) -> None:
        """Raises: `agencies.errors.BadKeys`, `agencies.errors.NotServed`."""
        roster = RosterFile(settings.officers, agency)
        try:
            roster.load()
        except (OSError, ValueError) as error:
            raise NotServed(
                f"the roster of '{agency}' in '{settings.officers}' cannot be used: {error}"
            ) from error
        federation = signing()[0].body.federation
        issuers = _issuers(keys, agency, needed=not settings.providers)
        callers = Callers(
            lambda: issuers,
            node_audience(federation, agency),
            tuple(KeySource(provider, fetch) for provider in settings.providers),
        )
        door = BrokerDoor(agency, signing, settings.broker, _trusted(settings))
        self.publisher = Publisher(store, outbox, clock, entropy)
        parts = Parts(agency, store, self.publisher, roster, lambda: signing()[0], clock, door)
        self._app = make_app(
            parts, callers, Doors(settings.most_body, settings.address_rate, settings.caller_rate)
        )
        self._listener = Listener(settings, agency)

    async def started(self) -> None:
        """Return once it answers."""
        await self._listener.started.wait()

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self._listener.serve(self._app)
        finally:
            await self.publisher.close()


def _issuers(keys: Path, agency: AgencyId, needed: bool) -> dict[str, Issuer]:
    """Ourselves, by the key that signs our officers' tokens. Without it a provider must be named."""
    path = keys / ISSUING
    if not needed and not path.exists():
        return {}
    try:
        seed = path.read_bytes()
    except OSError as error:
        raise BadKeys(f"'{path}' cannot be read, and no provider of identities is named: {error}") from error
    if len(seed) != _SEED_BYTES:
        raise BadKeys(f"'{path}' is no seed of {_SEED_BYTES} bytes")
    return {str(agency): Issuer(public_key(seed), frozenset({ApiRole.OFFICER}), agency)}


def _trusted(settings: OfficersApi) -> ssl.SSLContext | None:
    if settings.broker_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(settings.broker_ca))
    except (OSError, ssl.SSLError) as error:
        raise NotServed(f"'{settings.broker_ca}' cannot be used: {error}") from error
