"""Labels as tests of rules write them: what matters is said, the rest is harmless."""

from typing import TypedDict, Unpack

from schemas.codes import (
    Caveat,
    HandlingCode,
    InformationGrade,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Directory
from schemas.labels import Handling, Label, Routing, retain_until


class Fields(TypedDict, total=False):
    """What a label may say beside the defaults of `written`."""

    tlp: Tlp
    codes: tuple[HandlingCode, ...]
    grades: tuple[SourceGrade, InformationGrade]
    purposes: tuple[Purpose, ...]
    subjects: tuple[SubjectCategory, ...]
    special: tuple[SpecialCategory, ...]
    caveats: tuple[Caveat, ...]
    grounds: tuple[ProtectionGround, ...]
    cleared: bool
    origins: tuple[State, ...]
    days: int


def written(directory: Directory, at_ms: int, *to: str, **fields: Unpack[Fields]) -> Label:
    """A label for agencies, communities and officers, told apart by their ids, to be kept `days` from `at_ms`."""
    known = {c.id for c in directory.communities}
    grades = fields.get("grades", (SourceGrade.B, InformationGrade.TWO))
    return Label(
        Handling(
            fields.get("tlp", Tlp.AMBER),
            fields.get("codes", ()),
            *grades,
            fields.get("purposes", (Purpose.INVESTIGATION,)),
            fields.get("subjects", ()),
            fields.get("special", ()),
            fields.get("caveats", ()),
            fields.get("grounds", ()),
            fields.get("cleared", False),
            fields.get("origins", ()),
            retain_until(at_ms, fields.get("days", 365)),
        ),
        Routing(
            tuple(t for t in to if "/" not in t and t not in known),
            tuple(t for t in to if t in known),
            tuple(t for t in to if "/" in t),
        ),
    )
