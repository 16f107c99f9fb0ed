"""Problem details (RFC 9457): the one form in which a service says no, from a closed list.

- A type fixes status and title, so that no two places word the same refusal differently.
- `not_found` is one answer for what does not exist and for what the caller may not know of: same body, same status.
- `detail` says what was expected, in one line; never a payload, a key, or a value that the caller did not send.
"""

from enum import StrEnum
from typing import Final

from pydantic import Field

from schemas.model import Model

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:entente:problem:"

#: More faults than this help nobody, and a body made by hand could have thousands.
MAX_FAULTS: Final = 20


class ProblemType(StrEnum):
    """Every kind of refusal; the value ends the `type` of the problem."""

    BAD_REQUEST = "bad-request"
    UNAUTHORISED = "unauthorised"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_ACCEPTABLE = "not-acceptable"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "unsupported-media-type"
    INVALID = "invalid"
    TOO_MANY = "too-many-requests"
    INTERNAL = "internal"
    NOT_READY = "not-ready"

    @property
    def status(self) -> int:
        """The HTTP status (RFC 9110 15)."""
        return _STATUS_AND_TITLE[self][0]

    @property
    def words(self) -> str:
        """The same words each time this type occurs (RFC 9457 3.1.4)."""
        return _STATUS_AND_TITLE[self][1]


_STATUS_AND_TITLE: Final = {
    ProblemType.BAD_REQUEST: (400, "the request cannot be read"),
    ProblemType.UNAUTHORISED: (401, "an access token that holds is needed"),
    ProblemType.FORBIDDEN: (403, "not for this role"),
    ProblemType.NOT_FOUND: (404, "nothing here for this caller"),
    ProblemType.METHOD_NOT_ALLOWED: (405, "not by this method"),
    ProblemType.NOT_ACCEPTABLE: (406, "not in this media type"),
    ProblemType.TIMEOUT: (408, "the request did not arrive in time"),
    ProblemType.CONFLICT: (409, "not in the present state"),
    ProblemType.TOO_LARGE: (413, "too large"),
    ProblemType.MEDIA_TYPE: (415, "this media type is not read here"),
    ProblemType.INVALID: (422, "a field is not as expected"),
    ProblemType.TOO_MANY: (429, "too many requests"),
    ProblemType.INTERNAL: (500, "the service failed"),
    ProblemType.NOT_READY: (503, "not ready"),
}

#: For statuses that a framework raises by itself; whatever has no type of its own is told as its class.
BY_STATUS: Final = {kind.status: kind for kind in ProblemType}


def type_of(status: int) -> ProblemType:
    """The type for a status that a framework chose."""
    return BY_STATUS.get(status, ProblemType.INTERNAL if status >= 500 else ProblemType.BAD_REQUEST)


class Fault(Model):
    """One field that is not as expected: where it stands, and what was expected there."""

    where: str
    expected: str


class Problem(Model):
    """A refusal as it is sent. `reason`: a code from a closed list of the domain, where one says more."""

    type: str = Field(pattern=r"^urn:entente:problem:[a-z-]+$", examples=["urn:entente:problem:not-found"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str | None = None
    reason: str | None = None
    faults: tuple[Fault, ...] = Field(default=(), max_length=MAX_FAULTS)

    def body(self) -> bytes:
        """JSON without the members that say nothing."""
        return self.model_dump_json(exclude_defaults=True).encode()


def problem(
    kind: ProblemType, detail: str | None = None, *, reason: str | None = None, faults: tuple[Fault, ...] = ()
) -> Problem:
    """A problem of the closed list."""
    return Problem(
        type=TYPE_PREFIX + kind,
        title=kind.words,
        status=kind.status,
        detail=detail,
        reason=reason,
        faults=faults[:MAX_FAULTS],
    )
