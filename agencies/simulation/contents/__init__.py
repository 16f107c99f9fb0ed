"""What an analyst writes in each portion of each kind, from the story of the act.

One function a kind gives its portions, each as a function of that portion's own random stream; only those that are
wanted are written, and one more or less changes no other.
"""

from collections.abc import Callable, Iterable
from typing import Final

from agencies.simulation.contents import cases, cooperation, gangs, means
from agencies.simulation.contents.writers import Writers
from agencies.simulation.story import Story
from agencies.simulation.writing import LONGEST
from schemas.codes import Kind, PortionName
from schemas.model import Model
from schemas.records.kind import Person

_TEXTS: Final = ("summary", "question", "answer", "account", "connection", "assessment", "detail")
_CORRECTION: Final = (
    "Correction, revision {revision}: time and place stood wrongly in what was sent before, which should not be used "
    "any longer. What follows takes its place."
)
CONTENTS: Final[dict[Kind, Callable[[Story], Writers]]] = {
    Kind.SMUGGLING_ROUTE: means.smuggling_route,
    Kind.ORGANISED_GROUP: gangs.organised_group,
    Kind.TRAVEL_DOCUMENT: means.travel_document,
    Kind.CONCEALMENT_METHOD: means.concealment_method,
    Kind.EXPERTISE: means.expertise,
    Kind.TECHNICAL_INFORMATION: means.technical_information,
    Kind.BOAT_SUPPLY: means.boat_supply,
    Kind.ONLINE_ADVERT: gangs.online_advert,
    Kind.ASSET_SEIZURE: gangs.asset_seizure,
    Kind.RETURN_CASE: cases.return_case,
    Kind.DEBRIEF: cases.debrief,
    Kind.INFORMATION_REQUEST: cooperation.information_request,
    Kind.INFORMATION_RESPONSE: cooperation.information_response,
    Kind.JOINT_OPERATION: cooperation.joint_operation,
    Kind.OFFICER_DEPLOYMENT: cooperation.officer_deployment,
}


def write(story: Story, kind: Kind, wanted: Iterable[PortionName]) -> dict[PortionName, Model]:
    """The content of the portions wanted. Raises: `KeyError` for a portion that the kind does not have."""
    writers = CONTENTS[kind](story)
    return {name: writers[name](story.stream(name)) for name in wanted}


def corrected(content: Model, revision: int) -> Model:
    """The content as a correction has it: its first text says so, or the note on its first person."""
    for field in (name for name in _TEXTS if name in type(content).model_fields):
        text = f"{_CORRECTION.format(revision=revision)} {getattr(content, field)}"
        return content.model_copy(update={field: text[:LONGEST]})
    persons: tuple[Person, ...] = getattr(content, "persons", ())
    if not persons:
        return content
    note = f"{_CORRECTION.format(revision=revision)} {persons[0].note or ''}".strip()
    first = persons[0].model_copy(update={"note": note[:LONGEST]})
    return content.model_copy(update={"persons": (first, *persons[1:])})
