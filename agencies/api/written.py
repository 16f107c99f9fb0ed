"""A record as an officer writes it, made a draft: every fault is told by the field where it stands. Pure.

What a kind's own models say of a portion's content is asked here, since the kind is only known once it is read; then
what `agencies.drafting` checks, field by field. Values are never repeated: they may be what must not be shown.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError

from agencies.drafting import Draft, DraftPortion, check
from agencies.errors import DraftRefused
from schemas.codes import Kind, PortionName
from schemas.directory import Directory
from schemas.envelope import MAX_PORTIONS
from schemas.http.labels import LabelBody
from schemas.http.problems import Fault
from schemas.ids import RecordId
from schemas.model import Model
from schemas.records import KINDS


class PortionBody(Model):
    """A portion with its content, as the record's kind has it, and its label."""

    name: PortionName
    label: LabelBody
    content: dict[str, JsonValue]


class RecordBody(Model):
    """A record before it is sealed."""

    kind: Kind
    portions: Annotated[tuple[PortionBody, ...], Field(min_length=1, max_length=MAX_PORTIONS)]

    def digest(self) -> bytes:
        """The same for the same record, however its JSON is set."""
        written = self.model_dump(mode="json")
        return sha256(json.dumps(written, sort_keys=True, default=sorted).encode("utf-8", "replace")).digest()


class Faulty(ValueError):
    """A record that cannot be sealed as it is written."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("a field is not as expected")
        self.faults = faults


def draft(written: RecordBody, record_id: RecordId, created_s: int, directory: Directory) -> Draft:
    """Raises: `Faulty`."""
    faults = list(_labels(written, created_s, directory))
    portions = []
    for at, portion in enumerate(written.portions):
        spec = KINDS[written.kind].portions.get(portion.name)
        if spec is None:
            continue
        try:
            text = json.dumps(portion.content, allow_nan=False)
            content = spec.content.model_validate_json(text)
        except ValidationError as error:
            faults += (
                Fault(where=_where(f"body.portions.{at}.content", one["loc"]), expected=one["msg"][:300])
                for one in error.errors()
            )
        except (ValueError, RecursionError):
            faults.append(Fault(where=f"body.portions.{at}.content", expected="numbers that are finite"))
        else:
            portions.append(DraftPortion(portion.name, content, portion.label.label()))
    if faults:
        raise Faulty(tuple(faults))
    made = Draft(record_id, written.kind, created_s, tuple(portions))
    try:
        check(made, directory)
    except DraftRefused as error:
        raise Faulty((Fault(where="body", expected=str(error)),)) from error
    return made


def _labels(written: RecordBody, created_s: int, directory: Directory) -> Iterator[Fault]:
    spec, seen = KINDS[written.kind], set[str]()
    for at, portion in enumerate(written.portions):
        where, label = f"body.portions.{at}", portion.label.label()
        if portion.name in seen:
            yield Fault(where=f"{where}.name", expected="each portion once")
        seen.add(portion.name)
        known = spec.portions.get(portion.name)
        if known is None:
            yield Fault(where=f"{where}.name", expected=f"one of {', '.join(sorted(spec.portions))}")
            continue
        if known.bears_persons and not label.handling.subjects:
            yield Fault(
                where=f"{where}.label.handling.subjects", expected="at least one: the portion bears persons"
            )
        if known.bears_persons and not label.handling.origins:
            yield Fault(
                where=f"{where}.label.handling.origins",
                expected="at least one state, ZZ if unknown: the portion bears persons",
            )
        if label.handling.retain_until < created_s // 86_400:
            yield Fault(where=f"{where}.label.handling.retain_until", expected="today or later")
        if not directory.knows(label.routing):
            yield Fault(
                where=f"{where}.label.releasable_to", expected="ids that the arrangement has, and no others"
            )


def _where(at: str, place: tuple[int | str, ...]) -> str:
    return ".".join([at, *(str(part)[:60] for part in place)])[:300]
