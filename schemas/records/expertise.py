"""`expertise`: legislative experience and practice, such as how smugglers' money is seized and confiscated.

UN Smuggling Protocol Art. 10(1)(e). It names nobody, and therefore may go wide.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Kind, PortionName, Purpose, State, Tlp
from schemas.model import Model
from schemas.records.fields import Instant, Language, LongText, ShortText
from schemas.records.kind import KindSpec, PortionSpec, StartLabel


class ExpertiseBase(Model):
    """What others may learn from."""

    title: ShortText
    summary: LongText
    subject: Literal[
        "legislation", "seizure_and_confiscation", "investigation", "prevention", "training", "takedown"
    ]
    jurisdiction: State
    legal_basis: ShortText | None = None
    lessons: Annotated[tuple[ShortText, ...], Field(max_length=20)] = ()
    language: Language
    issued_at: Instant


EXPERTISE = KindSpec(
    Kind.EXPERTISE,
    "Expertise",
    {
        PortionName.BASE: PortionSpec(
            ExpertiseBase, StartLabel(Tlp.GREEN, (Purpose.EXPERTISE, Purpose.PREVENTION), retain_days=3650)
        )
    },
    topic="e",
)
