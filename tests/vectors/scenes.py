"""A scene: whose lane or inbox it is, its messages in order, and what it shows."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from schemas.ids import AgencyId
from tests.support.members import Members
from tests.vectors.outcome import Message

GB, FR, IT = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("it-pds")
XA, PF = AgencyId("xa-np"), AgencyId("pf-social")


class Fails(StrEnum):
    """The class of a failure: what of a message cannot be used. `CHAIN`: it is used, with an alarm."""

    MESSAGE = "message"
    RECORD = "record"
    DELIVERY = "delivery"
    HEAD = "head"
    CONTROL = "control"
    PORTION = "portion"
    CHAIN = "chain"


@dataclass(frozen=True)
class Scene:
    """Messages for one lane or one recipient. `fails`: the class of its failure, where it is a bad one."""

    about: str
    agency: AgencyId
    messages: tuple[Message, ...]
    fails: Fails | None = None


Make = Callable[[Members], Scene]
