"""A draft: what an analyst has written, and the label of each portion, checked before anything is sealed.

- Content is validated by the record kind's own models; a portion that the kind does not have is an error.
- The label is checked against the arrangement here already: a refusal at the desk is kinder than a
  quarantine at the broker.
"""

from dataclasses import dataclass

from agencies.errors import DraftRefused
from schemas.codes import Kind, PortionName
from schemas.directory import Directory
from schemas.ids import RecordId
from schemas.labels import Label
from schemas.model import Model
from schemas.records import KINDS


@dataclass(frozen=True, slots=True)
class DraftPortion:
    """A portion before it is closed."""

    name: PortionName
    content: Model
    label: Label


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before it is sealed. `created_s`: whole seconds, domain time; `revision` counts from 1."""

    record_id: RecordId
    kind: Kind
    created_s: int
    portions: tuple[DraftPortion, ...]
    revision: int = 1


def check(draft: Draft, directory: Directory) -> None:
    """Raises: `DraftRefused` with portion and reason."""
    spec = KINDS[draft.kind]
    if draft.revision < 1:
        raise DraftRefused(f"{draft.kind}: revisions count from 1, not {draft.revision}")
    if not draft.portions:
        raise DraftRefused(f"{draft.kind}: a record needs at least one portion")
    names = [p.name for p in draft.portions]
    if len(set(names)) != len(names):
        raise DraftRefused(f"{draft.kind}: a portion stands twice")
    for portion in draft.portions:
        where = f"{draft.kind}.{portion.name}"
        known = spec.portions.get(portion.name)
        if known is None:
            raise DraftRefused(
                f"{where}: the kind has no such portion, but {', '.join(sorted(spec.portions))}"
            )
        if not isinstance(portion.content, known.content):
            raise DraftRefused(f"{where}: content must be {known.content.__name__}")
        handling = portion.label.handling
        if known.bears_persons and not (handling.subjects and handling.origins):
            raise DraftRefused(f"{where}: bears persons, so subjects and states of origin are mandatory")
        if not directory.knows(portion.label.routing):
            raise DraftRefused(f"{where}: releasable-to names somebody whom the arrangement does not know")
        if handling.retain_until < draft.created_s // 86_400:
            raise DraftRefused(f"{where}: retain-until lies before the record's creation")
