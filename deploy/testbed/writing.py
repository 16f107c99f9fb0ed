"""Labels made a whole record, as a node's officers' API takes it. What is not written is invented, and all of it is.

The labels are those that were written and no others; the same record, name and instant come with the same content.
"""

import json
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue, ValidationError

from agencies.api.written import PortionBody, RecordBody
from agencies.sealing import content_bytes
from agencies.simulation.script import Act, PortionHint, acted_draft
from broker.policy.drafted import DraftedLabel, DraftedRecord
from deploy.errors import Refused
from schemas.clock import ManualClock
from schemas.codes import PortionName
from schemas.directory import Directory
from schemas.entropy import SystemEntropy
from schemas.http.labels import LabelBody
from schemas.records import KINDS

Contents = Mapping[str, Mapping[str, JsonValue]]
"""Portion -> its content, in the fields that the record kind has."""

_SEED: Final = 1


def read_drafted(written: DraftedRecord | Mapping[str, object]) -> DraftedRecord:
    """Raises: `Refused` with a line for each field that is not as expected."""
    if isinstance(written, DraftedRecord):
        return written
    try:
        return DraftedRecord.model_validate(written)
    except ValidationError as error:
        lines = [f"record: {'.'.join(map(str, e['loc'])) or 'whole'}: {e['msg']}" for e in error.errors()]
        raise Refused("\n".join(lines)) from error


def whole_record(
    drafted: DraftedRecord, contents: Contents, directory: Directory, now_ms: int, name: str
) -> dict[str, JsonValue]:
    """The record as JSON. `name` takes the place of chance in what is invented.

    Raises: `Refused` for an agency, portion or id that there is none of, and for an instant of admission: it is now.
    """
    if drafted.at is not None:
        raise Refused("record: at: expected none, since a testbed publishes now")
    if drafted.originator not in directory.agency_ids:
        raise Refused(f"record: originator: expected one of {', '.join(directory.agency_ids)}")
    if strange := contents.keys() - drafted.portions.keys():
        raise Refused(f"contents: {min(strange)}: expected one of {', '.join(drafted.portions)}")
    known = KINDS[drafted.kind].portions
    if unknown := drafted.portions.keys() - known.keys():
        raise Refused(f"record: portions.{min(unknown)}: expected one of {', '.join(sorted(known))}")
    try:
        labelled = drafted.labelled(directory, now_ms)
    except KeyError as error:
        raise Refused(
            f"record: portions: '{error.args[0]}' is no agency, community or officer of the arrangement"
        ) from error
    act = Act(
        name=name,
        agency=drafted.originator,
        at_ms=now_ms,
        kind=drafted.kind,
        portions=tuple(_hint(portion, label) for portion, label in drafted.portions.items()),
    )
    draft = acted_draft(act, directory, _SEED, ManualClock(now_ms), SystemEntropy())
    invented = {portion.name: json.loads(content_bytes(portion.content)) for portion in draft.portions}
    body = RecordBody(
        kind=drafted.kind,
        portions=tuple(
            PortionBody(
                name=portion.name,
                label=LabelBody.of(portion.label),
                content={**contents.get(portion.name, invented[portion.name])},
            )
            for portion in labelled
        ),
    )
    written: dict[str, JsonValue] = body.model_dump(mode="json")
    return written


def _hint(name: PortionName, label: DraftedLabel) -> PortionHint:
    """Of what the content depends on: who stands in the portion."""
    return PortionHint(
        name=name,
        to=label.to,
        subjects=label.subjects or None,
        grounds=label.grounds or None,
        origins=label.origins or None,
    )
