"""Settings of the broker API: what is insecure is refused, and so is what nobody knows."""

from typing import Any

import pytest
from pydantic import ValidationError

from broker.api.settings import ApiSettings
from schemas.http.tokens import to_base64

GOOD: dict[str, Any] = {
    "bootstrap": "127.0.0.1:9092",
    "keys": "/k",
    "genesis": "0" * 64,
    "broker_store_url": "sqlite://",
}
KEY = to_base64(bytes(32)) + "="


def test_the_least_that_is_needed() -> None:
    settings = ApiSettings.model_validate(GOOD)
    assert (settings.host, settings.port, settings.tls) == ("127.0.0.1", 0, None)
    assert settings.issuers == {}


@pytest.mark.parametrize(
    "change",
    [
        {"host": "0.0.0.0"},  # noqa: S104  # the point of it: without TLS
        {"host": "api.example"},
        {"port": 65536},
        {"genesis": "0" * 63},
        {"bootstrap": "nowhere"},
        {"most_body": 0},
        {"issuers": {"a": {"role": "officer", "key": KEY}}},
        {"issuers": {"a": {"role": "auditor", "key": to_base64(bytes(31)) + "="}}},
        {"issuers": {"a": {"role": "auditor", "key": "nonsense"}}},
        {"address_rate": {"a_second": 0, "burst": 1}},
        {"signing_key": "/k/signing.key"},
    ],
)
def test_what_cannot_be_meant(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ApiSettings.model_validate({**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"host": "0.0.0.0", "behind_proxy": True},  # noqa: S104
        {"host": "api.example", "tls": {"certificate": "/c", "key": "/k"}},
        {"issuers": {"a": {"role": "auditor", "key": KEY}}},
    ],
)
def test_what_can(change: dict[str, Any]) -> None:
    assert ApiSettings.model_validate({**GOOD, **change}).most_body == 256 * 1024
