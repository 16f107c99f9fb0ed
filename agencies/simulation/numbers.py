"""Numbers that pass every check and belong to nobody.

- Telephones: the ranges that regulators keep for drama, elsewhere country code 999, which nobody has.
- IMEIs begin with 00, which is for test equipment; accounts lie at banks of code TEST or 0; vehicles are of a maker
  that cannot be; hulls are built in XA and XB; documents bear numbers that begin with Z9.
"""

import string
from random import Random
from typing import Final

from stdnum import iban, imo, iso6346, luhn

from schemas.codes import State
from schemas.records.fields import icao_check_digit
from schemas.records.particulars import Account, Document

#: prefix of the drama range -> digits that follow.
_DRAMA: Final = {
    "GB": ("+447700900", 3),  # Ofcom
    "FR": ("+3363998", 4),  # Arcep
    "DE": ("+493023125", 3),  # Bundesnetzagentur
    "US": ("+120255501", 2),  # NANPA
    "CA": ("+160455501", 2),  # NANPA
}
#: state -> the part of an account number that names bank and branch, and the digits that follow.
_BANKS: Final = {
    "GB": ("TEST000000", 8),
    "IE": ("TEST000000", 8),
    "NL": ("TEST", 10),
    "DE": ("00000000", 10),
    "AT": ("00000", 11),
    "IT": ("X0000000000", 12),
    "AL": ("00000000", 16),
    "FR": ("0000000000", 11),
}
_CLEAR_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"


def digits(random: Random, count: int) -> str:
    """`count` decimal digits, zeros in front included."""
    return f"{random.randrange(10**count):0{count}d}"


def letters(random: Random, count: int) -> str:
    """`count` capitals without I, O and Q."""
    return "".join(random.choices(_CLEAR_LETTERS, k=count))


def phone(random: Random, state: State) -> str:
    """A telephone number (E.164)."""
    prefix, count = _DRAMA.get(state, ("+999", 8))
    return prefix + digits(random, count)


def imei(random: Random) -> str:
    """An IMEI of test equipment, with its check digit."""
    number = f"00{digits(random, 12)}"
    return number + luhn.calc_check_digit(number)


def account(random: Random, state: State) -> Account:
    """An account at a bank that cannot be; an IBAN where the state has them."""
    if state not in _BANKS:
        return Account(number=digits(random, 11))
    bank, count = _BANKS[state]
    number = bank + digits(random, count)
    if state == "FR":  # clé RIB
        number += f"{97 - 3 * int(number[10:]) % 97:02d}"
    return Account(iban=f"{state}{iban.calc_check_digits(f'{state}00{number}')}{number}")


def container(random: Random) -> str:
    """A container of owner ZZZ (ISO 6346). A remainder of ten would look like zero, so such numbers are left out."""
    while True:
        number = f"ZZZU{digits(random, 6)}"
        digit = iso6346.calc_check_digit(number)
        if digit != "0":
            return number + digit


def ship(random: Random) -> str:
    """An IMO number that begins with zero, as no ship's does."""
    number = f"0{digits(random, 5)}"
    return number + imo.calc_check_digit(number)


def hull(random: Random) -> str:
    """A hull identification number (ISO 10087) of a builder in XA or XB."""
    month, year = random.choice("ABCDEFGHJKL"), random.choice((24, 25, 26))
    return f"{random.choice(('XA', 'XB'))}-{letters(random, 3)}{digits(random, 5)}{month}{year % 10}{year}"


def vehicle(random: Random) -> str:
    """A VIN (ISO 3779) of maker 000."""
    return f"000{letters(random, 6)}{digits(random, 8)}"


def plate(random: Random, state: State) -> str:
    """A number plate that looks like one of the state."""
    match state:
        case "GB":
            return f"{letters(random, 2)}{digits(random, 2)} {letters(random, 3)}"
        case "FR" | "IT" | "AL":
            return f"{letters(random, 2)}-{digits(random, 3)}-{letters(random, 2)}"
        case _:
            return f"{letters(random, 2)} {digits(random, 4)}"


def serial(random: Random, prefix: str) -> str:
    """A maker's serial."""
    return f"{prefix}-{digits(random, 6)}-{random.choice(string.ascii_uppercase)}{digits(random, 1)}"


def document(random: Random, issuer: State, *, seeking: bool = False) -> Document:
    """A travel document with its check digit (ICAO Doc 9303)."""
    number = f"Z9{letters(random, 1)}{digits(random, 6)}"
    kind = "refugee_document" if seeking else random.choice(("passport", "passport", "identity_card", "visa"))
    return Document.model_validate(
        {"type": kind, "issuer": issuer, "number": number, "check_digit": icao_check_digit(number)}
    )
