"""Cedar's datetimes, both ways: the text of a literal to milliseconds, milliseconds to Cedar's JSON.

Source: https://docs.cedarpolicy.com/policies/syntax-datatypes.html, datetime.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

#: The instants that Cedar and Python both can say: years 1 to 9999.
FIRST_MS: Final = -62_135_596_800_000
LAST_MS: Final = 253_402_300_799_999

_FORM = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(\.\d{3})?(Z|[+-]\d{4}))?", re.ASCII)


def parse_instant(text: str) -> int:
    """Milliseconds since the epoch of a datetime in one of Cedar's forms.

    Raises: `ValueError` for any other text.
    """
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise ValueError("the form is 2026-01-31 or 2026-01-31T12:00:00Z")
    day, clock, fraction, zone = parts.groups()
    at = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}").replace(tzinfo=UTC)
    whole = (at - datetime(1970, 1, 1, tzinfo=UTC) - _offset(zone)) // timedelta(seconds=1)
    return whole * 1000 + int((fraction or ".000")[1:])


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[3:5])
    if hours > 23 or minutes > 59:
        raise ValueError("an offset from UTC is less than a day")
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


def instant(at_ms: int) -> dict[str, dict[str, str]]:
    """A datetime in Cedar's JSON. Raises: `ValueError` or `OverflowError` outside `FIRST_MS` to `LAST_MS`."""
    seconds, millis = divmod(at_ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"__extn": {"fn": "datetime", "arg": f"{text.rjust(19, '0')}.{millis:03d}Z"}}
