"""What several kinds describe alike: a place, a sum of money, an account, a payment, a document, goods."""

from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import Base64Bytes, Field, model_validator

from schemas.codes import State
from schemas.model import Model
from schemas.records.fields import (
    CURRENCY_PLACES,
    AccountNumber,
    Bic,
    CaseReference,
    Currency,
    DocumentNumber,
    Hin,
    Iban,
    Instant,
    Locode,
    LongText,
    Serial,
    ShortText,
    icao_check_digit,
)


class Sources(Model):
    """How it became known. Never what became known."""

    method: ShortText
    detail: LongText


_BEGINS: Final = {
    "image/png": b"\x89PNG\r\n\x1a\n",  # ISO/IEC 15948 5.2
    "image/jpeg": b"\xff\xd8\xff",  # ITU-T T.81 B.1
    "application/pdf": b"%PDF-",  # ISO 32000-2 7.5.2
}


class Exhibit(Model):
    """A file that belongs to the record, in base64 (RFC 4648 4). It is carried and never opened here.

    3 MB become 4 MB in base64, which is as much as a record takes.
    """

    title: ShortText
    media_type: Literal["image/png", "image/jpeg", "application/pdf"]
    data: Annotated[Base64Bytes, Field(max_length=3_145_000)]

    @model_validator(mode="after")
    def _begins(self) -> Self:
        if not self.data.startswith(_BEGINS[self.media_type]):
            raise ValueError(f"expected data that begins as {self.media_type} does")
        return self


Exhibits = Annotated[tuple[Exhibit, ...], Field(max_length=8)]


class Place(Model):
    """A place by name; by its UN/LOCODE where it has one, by WGS 84 degrees where it needs them."""

    name: ShortText
    state: State
    locode: Locode | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.locode is not None and self.locode[:2] != self.state:
            raise ValueError("expected a locode of the state given")
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("expected latitude and longitude, or neither")
        return self


class Money(Model):
    """A sum in a currency of ISO 4217, with no more decimal places than the currency has."""

    amount: Annotated[Decimal, Field(ge=0, le=1_000_000_000_000, allow_inf_nan=False)]
    currency: Currency

    @model_validator(mode="after")
    def _places(self) -> Self:
        places = CURRENCY_PLACES[self.currency]
        if self.amount != round(self.amount, places):
            raise ValueError(f"expected at most {places} decimal places for {self.currency}")
        return self


class Account(Model):
    """An IBAN, or the number at a bank where there are none (ISO 20022, `AccountIdentification4Choice`). No holder."""

    iban: Iban | None = None
    number: AccountNumber | None = None
    bank: Bic | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.iban is None) == (self.number is None):
            raise ValueError("expected an IBAN or another number, and not both")
        return self


class Payment(Model):
    """Money that went from one account to another; an end that nobody knows is left out."""

    debtor: Account | None = None
    creditor: Account | None = None
    amount: Money
    paid_at: Instant
    reference: ShortText | None = None


class Document(Model):
    """A travel or identity document by its number (ICAO Doc 9303); the check digit, where given, must fit."""

    type: Literal[
        "passport", "identity_card", "residence_permit", "visa", "refugee_document", "seafarer_document"
    ]
    issuer: State
    number: DocumentNumber
    check_digit: Annotated[str, Field(pattern=r"^\d$")] | None = None

    @model_validator(mode="after")
    def _checks(self) -> Self:
        if self.check_digit not in (None, icao_check_digit(self.number)):
            raise ValueError("expected the check digit of the document number (ICAO Doc 9303-3)")
        return self


class Item(Model):
    """Goods of one type, by the maker's serial; a hull by its identification number (ISO 10087) where it bears one."""

    what: Literal["hull", "outboard_engine", "life_jacket", "fuel_can", "pump"]
    maker: ShortText
    serial: Serial
    count: Annotated[int, Field(ge=1, le=10_000)]
    hin: Hin | None = None

    @model_validator(mode="after")
    def _hulls_only(self) -> Self:
        if self.hin is not None and self.what != "hull":
            raise ValueError("expected a hull identification number on hulls only")
        return self


Items = Annotated[tuple[Item, ...], Field(max_length=50)]
Accounts = Annotated[tuple[Account, ...], Field(min_length=1, max_length=50)]
Payments = Annotated[tuple[Payment, ...], Field(max_length=200)]
References = Annotated[tuple[CaseReference, ...], Field(max_length=20)]
