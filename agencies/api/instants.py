"""Instants as the API writes them: milliseconds of domain time as RFC 3339, in UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(ms: int) -> datetime:
    """The instant so many milliseconds after 1970; at most the year 9999."""
    return _EPOCH + timedelta(milliseconds=ms)
