"""How every process of Entente logs: one line an event, never payloads or keys, and no flood from the client library.

An outage gives about 38 ERROR lines a second for each Kafka client; one line a second says as much.
"""

import logging
import sys
import time


class OneASecond(logging.Filter):
    """Lets one record a second through, and says how many it held back."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0
        self._held = 0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next:
            self._held += 1
            return False
        if self._held:
            record.msg = f"{record.getMessage()} (and {self._held} more held back)"
            record.args = ()
        self._next, self._held = now + 1.0, 0
        return True


def set_up_logging() -> None:
    """Log to standard error. aiokafka, and asyncio's complaints about discarded clients, are rate-limited."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    limit = OneASecond()
    handler.addFilter(lambda r: limit.filter(r) if r.name.startswith(("aiokafka", "asyncio")) else True)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
