"""The fields that records are made of, each checked by the standard that defines it.

- What has a check digit is checked by it: a number that was misread matches nothing, or the wrong thing.
- Numbers are written in one form only, without blanks, so that equal things compare equal.
- Nothing here knows whether a number was ever issued.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field
from stdnum import bic, iban, imei, imo

from schemas.codes import UNKNOWN_STATE, State
from schemas.ids import AGENCY_PATTERN, OFFICER_PATTERN

ShortText = Annotated[str, Field(min_length=1, max_length=200)]
LongText = Annotated[str, Field(min_length=1, max_length=4000)]
AgencyName = Annotated[str, Field(pattern=AGENCY_PATTERN)]
Post = Annotated[str, Field(pattern=OFFICER_PATTERN)]
"""A liaison officer's post: an id of the arrangement, and no person's name."""

Transport = Literal["small_boat", "ferry", "cargo_ship", "lorry", "car", "train", "on_foot", "air"]


def _checked(pattern: str, valid: Callable[[str], bool], what: str) -> AfterValidator:
    shape = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not shape.fullmatch(value) or not valid(value):
            raise ValueError(f"expected {what}")
        return value

    return AfterValidator(check)


def _known_state(value: str) -> bool:
    return value[:2] in State.__members__ and value[:2] != UNKNOWN_STATE


def _utc(value: AwareDatetime) -> AwareDatetime:
    if value.utcoffset() != timedelta(0):
        raise ValueError("expected an instant in UTC")
    return value


def _real_date(value: str) -> bool:
    try:
        date.fromisoformat(value if len(value) > 4 else f"{value}-01-01")
    except ValueError:
        return False
    return True


def icao_check_digit(number: str) -> str:
    """The check digit of a document number: weights 7, 3, 1 over 0-9, A-Z = 10-35 and the filler <, modulo 10.

    Source: ICAO Doc 9303-3, 4.9.
    """
    values = (0 if c == "<" else int(c, 36) for c in number)
    return str(sum(value * (7, 3, 1)[at % 3] for at, value in enumerate(values)) % 10)


#: ISO 6346: letters count from 10 on, without the multiples of 11.
_CONTAINER_VALUES: Final = {c: v for v, c in enumerate("0123456789A BCDEFGHIJK LMNOPQRSTU VWXYZ")}


def _container(number: str) -> bool:
    total = sum([_CONTAINER_VALUES[c] << at for at, c in enumerate(number[:-1])])
    return total % 11 % 10 == int(number[-1])


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
"""RFC 3339, in UTC."""

Born = Annotated[
    str, _checked(r"\d{4}(-\d\d-\d\d)?", _real_date, "a year, or a date as 1990-05-17 (ISO 8601)")
]

Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
"""ISO 639-1."""

Locode = Annotated[
    str, _checked(r"[A-Z]{2}[A-Z2-9]{3}", _known_state, "a place code of UN/LOCODE, such as FRDKK")
]

Url = Annotated[
    str, Field(pattern=r"^https://[a-z0-9-]+(\.[a-z0-9-]+)+/[A-Za-z0-9/_.~-]{1,200}$", max_length=300)
]
"""RFC 3986, scheme https, without user, port, query and fragment: an address, and nothing of who was logged in."""

Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""ITU-T E.164: a plus sign, country code first, 15 digits at most."""

Imei = Annotated[
    str, _checked(r"\d{15}", imei.is_valid, "an IMEI of 15 digits with a good check digit (3GPP TS 23.003)")
]

Iban = Annotated[
    str, _checked(r"[A-Z]{2}\d\d[A-Z0-9]{11,30}", iban.is_valid, "an IBAN with good check digits (ISO 13616)")
]

Bic = Annotated[str, _checked(r"[A-Z0-9]{8}([A-Z0-9]{3})?", bic.is_valid, "a BIC (ISO 9362)")]

AccountNumber = Annotated[str, Field(pattern=r"^[A-Z0-9]{4,34}$")]
"""An account where there are no IBANs, as ISO 20022 allows beside them."""

Container = Annotated[
    str,
    _checked(r"[A-Z]{3}[JRUZ]\d{7}", _container, "a container number with a good check digit (ISO 6346)"),
]

Imo = Annotated[str, _checked(r"\d{7}", imo.is_valid, "a ship's IMO number with a good check digit")]

Hin = Annotated[
    str,
    _checked(
        r"[A-Z]{2}-[A-Z]{3}[A-HJ-NPR-Z0-9]{5}[A-L]\d{3}",
        _known_state,
        "a hull identification number (ISO 10087)",
    ),
]

Vin = Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")]
"""ISO 3779; its check digit is a matter of single countries."""

Plate = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9 -]{1,13}[A-Z0-9]$")]

Serial = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{3,24}$")]
"""A maker's own number, in capitals; makers follow no standard."""

DocumentNumber = Annotated[str, Field(pattern=r"^[A-Z0-9]{5,20}$")]
"""The character set of ICAO Doc 9303-3, without fillers."""

CaseReference = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9/.-]{3,39}$")]

#: ISO 4217 list one: active codes, by the number of decimal places of the currency.
_BY_PLACES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
        "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
        "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU "
        "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR "
        "SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED "
        "VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
}
CURRENCY_PLACES: Final = {code: places for places, codes in _BY_PLACES.items() for code in codes.split()}

Currency = Annotated[str, _checked(r"[A-Z]{3}", CURRENCY_PLACES.__contains__, "a currency code of ISO 4217")]
