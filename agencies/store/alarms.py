"""Alarms as a node keeps them: what it noticed and goes on from, for ever."""

import time

from sqlalchemy import Connection, insert

from agencies.store.tables import alarms
from schemas.verdicts import Alarm


def keep_alarm(connection: Connection, alarm: Alarm, detail: str) -> None:
    """Keep an alarm, as of now, in the caller's transaction."""
    now = time.time_ns() // 1_000_000
    connection.execute(insert(alarms).values(alarm=alarm, detail=detail, at_ms=now))
