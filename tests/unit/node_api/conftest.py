"""A house in Paris that holds what London sent it, on each of the two databases."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest_asyncio

from schemas.codes import HandlingCode, PortionName, SubjectCategory, Tlp
from schemas.ids import AgencyId
from schemas.labels import Handling, Label
from tests.support.drafts import base, draft, handling, label, persons, record_id, sources
from tests.support.house import House

NCA, OLTIM, PDS, XA = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("it-pds"), AgencyId("xa-np")
LIAISON = "it-pds/liaison-paris"


def changed(made: Handling, **change: object) -> Handling:
    return Handling(**{**{f: getattr(made, f) for f in made.__struct_fields__}, **change})


def uuid(seed: object) -> str:
    return str(UUID(bytes=record_id(seed)))


def to_paris(by: Handling | None = None) -> Label:
    return label(OLTIM, by=by)


PROTECTED = handling(subjects=(SubjectCategory.VICTIM,), origins=("XA",))
SECRET = changed(handling(tlp=Tlp.AMBER_STRICT), handling_codes=(HandlingCode.H2,))


@dataclass(frozen=True)
class Paris:
    """The house, and the ids of what it holds."""

    house: House
    plain: str = uuid("plain")
    mixed: str = uuid("mixed")
    """A base that analysts read, and sources that only the chief does."""
    secret: str = uuid("secret")
    """Nothing in it for an analyst."""
    protected: str = uuid("protected")
    """A person from XA."""


@pytest_asyncio.fixture
async def paris(store_url: str, tmp_path: Path) -> AsyncIterator[Paris]:
    async with House(OLTIM, store_url, tmp_path) as house:
        await house.receive(
            NCA,
            draft("plain", (PortionName.BASE, base("Twelve orange hulls"), to_paris())),
            draft(
                "mixed",
                (PortionName.BASE, base("Orange engines"), to_paris()),
                (PortionName.SOURCES, sources("an orange informant"), to_paris(SECRET)),
            ),
            draft("secret", (PortionName.SOURCES, sources("an orange ledger"), to_paris(SECRET))),
            draft("protected", (PortionName.PERSONS, persons("Orange Esempio"), to_paris(PROTECTED))),
        )
        yield Paris(house)
