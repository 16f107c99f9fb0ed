"""The doors that every request passes before a service sees it.

From the outside in: headers and crashes, rate of the address, who calls, size of the body, the service. What a door
refuses costs nothing of what is behind it.
"""

from dataclasses import dataclass
from typing import Final

from schemas.http.answers import Answers
from schemas.http.asgi import App
from schemas.http.authentication import Authentication
from schemas.http.callers import Callers
from schemas.http.limits import BodyLimit, Buckets, RateLimit
from schemas.http.settings import Rates

OPEN_PATHS: Final = ("/healthz", "/readyz", "/openapi.json")
"""What is answered without a token."""


@dataclass(frozen=True, slots=True)
class Doors:
    """How much a caller may ask for."""

    most_body: int
    address_rate: Rates
    caller_rate: Rates

    def before(self, service: App, callers: Callers) -> App:
        """The service behind them."""
        inner: App = BodyLimit(service, self.most_body)
        by_caller = Buckets(self.caller_rate.a_second, self.caller_rate.burst)
        by_address = Buckets(self.address_rate.a_second, self.address_rate.burst)
        return Answers(RateLimit(Authentication(inner, callers, by_caller, OPEN_PATHS), by_address))
