"""The agency's own staff who may use its node: a file of the house that nobody else sees, read again when it changes.

    officers:
      - id: gb-nca/analyst-1
        roles: [officer]
        clearance: {tlp: AMBER+STRICT, handling_codes: [H0, H1], special: [biometric]}
      - id: gb-nca/dpo
        roles: [dpo]

- Who is not in it is nobody here, whatever a token says; a file that cannot be read names nobody.
- `subject` is the name under which an OpenID Connect provider knows the officer; our own tokens name the id.
"""

import json
import logging
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from agencies.access import Employment
from schemas.clearance import Clearance
from schemas.directory import Interval, OfficerField
from schemas.ids import AgencyId
from schemas.labels import home_of
from schemas.model import Model, SortedSet

log = logging.getLogger("entente.agencies.roster")


class StaffRole(StrEnum):
    """What a member of staff does at the node."""

    OFFICER = "officer"
    DPO = "dpo"
    """Data-protection officer: sees every disclosure, and no content by this role."""


class Member(Interval):
    """A member of staff, for as long as the interval holds."""

    id: OfficerField
    roles: Annotated[SortedSet[StaffRole], Field(min_length=1)]
    clearance: Clearance | None = None
    subject: Annotated[str, Field(min_length=1, max_length=255)] | None = None

    @property
    def employment(self) -> Employment:
        """As access to a portion is decided. Who is no officer reads nothing, whatever the file says of clearance."""
        return Employment(self, self.clearance if StaffRole.OFFICER in self.roles else None)


class Roster(Model):
    """The staff of one agency."""

    officers: tuple[Member, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [n for m in self.officers for n in {m.id, m.subject or m.id}]
        if doubled := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"'{doubled[0]}' stands twice")
        if len({home_of(m.id) for m in self.officers}) > 1:
            raise ValueError("one agency's own officers alone")
        return self

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {name: m for m in self.officers for name in (m.id, m.subject) if name is not None}

    def member(self, name: str) -> Member | None:
        """By id, or by the subject that a provider knows."""
        return self._by_name.get(name)


NOBODY = Roster()


def parse_roster(data: bytes, agency: AgencyId) -> Roster:
    """Raises: `ValueError` for what is no roster of that agency; never quotes what it read."""
    try:
        found = Roster.model_validate_json(_json(data))
    except ValidationError as error:
        told = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, told['loc'])) or 'file'}: {told['msg']}") from None
    if any(home_of(m.id) != agency for m in found.officers):
        raise ValueError(f"expected officers of '{agency}' alone")
    return found


def _json(data: bytes) -> str:
    try:
        read = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError("no YAML") from error
    return json.dumps(read, default=str)


class RosterFile:
    """The roster as its file has it now."""

    def __init__(self, path: Path, agency: AgencyId) -> None:
        self._path = path
        self._agency = agency
        self._seen: tuple[int, int] | None = None
        self._roster = NOBODY

    def load(self) -> Roster:
        """Read the file. Raises: `OSError`, `ValueError`."""
        found = self._path.stat()
        self._roster = parse_roster(self._path.read_bytes(), self._agency)
        self._seen = found.st_mtime_ns, found.st_size
        return self._roster

    def current(self) -> Roster:
        """Everybody who is on it now; nobody while it cannot be read."""
        try:
            found = self._path.stat()
            if (found.st_mtime_ns, found.st_size) != self._seen:
                self.load()
        except (OSError, ValueError) as error:
            log.error("%s: '%s' names nobody: %s", self._agency, self._path, error)
            self._roster, self._seen = NOBODY, None
        return self._roster
