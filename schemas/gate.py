"""The protection gate: one predicate, which no sharing rule can override.

Nothing that identifies a person seeking protection, a victim or a minor reaches that person's state of
origin or an agency exposed to it (Smuggling Protocol Art. 19; non-refoulement).

- Which portions bear persons is marked by the record kind's schema, never by the analyst.
- Protection is on unless every person is a suspect or convicted, no ground of protection is stated
  and it was cleared explicitly.
- An unknown origin (ZZ, or none stated) means every state. No exposed states declared means all.
- The gate shuts portions that bear persons. Whether the rest of their record closes too is for the sharing rules
  of an arrangement to say: `surroundings` tells them what they need to know of the whole record.
- Used by sealing (no wrap is made), by the broker after Cedar, by the node for officers, and as the
  goal of the proof over policies.
"""

from collections.abc import Iterable, Set
from typing import Final, NamedTuple

from schemas.codes import UNKNOWN_STATE, SubjectCategory
from schemas.labels import Handling

GATE_VERSION: Final = 1

#: Stands for "exposed to every state": the agency declares none.
ALL_STATES: Final = None

_CLEARABLE: Final = frozenset({SubjectCategory.SUSPECT, SubjectCategory.CONVICTED})


def protected(handling: Handling) -> bool:
    """Whether a portion that bears persons is under protection."""
    subjects = set(handling.subjects)
    clearable = bool(subjects) and subjects <= _CLEARABLE and not handling.grounds
    return not (clearable and handling.protection_cleared)


def barred(bears_persons: bool, handling: Handling, exposed_states: Set[str] | None) -> bool:
    """Whether the gate keeps this portion from a recipient exposed to `exposed_states`.

    `exposed_states`: ISO 3166-1 codes, or `ALL_STATES` for an agency that declares none.
    """
    if not bears_persons or not protected(handling):
        return False
    if exposed_states is ALL_STATES or not handling.origins or UNKNOWN_STATE in handling.origins:
        return True
    return not exposed_states.isdisjoint(handling.origins)


class Surroundings(NamedTuple):
    """What a portion's record holds: a protected portion or none, and the origins stated in all protected ones.

    `origins_known`: no protected portion of the record leaves an origin open.
    """

    protected: bool
    origins: frozenset[str]
    origins_known: bool


def surroundings(portions: Iterable[tuple[bool, Handling]]) -> Surroundings:
    """Of all portions of a record: (bears persons, handling label) each."""
    found = [handling for bears, handling in portions if bears and protected(handling)]
    origins = frozenset(str(state) for handling in found for state in handling.origins)
    known = all(h.origins and UNKNOWN_STATE not in h.origins for h in found)
    return Surroundings(bool(found), origins, known)
