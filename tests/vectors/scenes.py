"""A scene: whose lane or inbox it is, its messages in order, and what it shows."""

from dataclasses import dataclass

from schemas.ids import AgencyId
from tests.vectors.outcome import Message

GB, FR, IT = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("it-pds")
XA, PF = AgencyId("xa-np"), AgencyId("pf-social")


@dataclass(frozen=True)
class Scene:
    """Messages for one lane or one recipient."""

    about: str
    agency: AgencyId
    messages: tuple[Message, ...]
