"""How a service says no: every refusal is a problem of the closed list, those of its framework among them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.http.problems import MEDIA_TYPE, Fault, ProblemType, problem, type_of
from schemas.model import told_once


class Refusal(Exception):
    """A request that is not answered with what it asks for."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str | None = None,
        *,
        reason: str | None = None,
        faults: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
        retry_s: int = 0,
    ) -> None:
        super().__init__(kind)
        self.problem = problem(kind, detail, reason=reason, faults=faults)
        self.headers = {**(headers or {}), **({"retry-after": str(retry_s)} if retry_s else {})}


def not_found() -> Refusal:
    """The one answer for what is not there and for what the caller may not see."""
    return Refusal(ProblemType.NOT_FOUND)


def of_status(status: int, headers: Mapping[str, str] | None) -> Refusal:
    """What a framework refused by itself, with a status."""
    allowed = {name: value for name, value in (headers or {}).items() if name.lower() == "allow"}
    return Refusal(type_of(status), headers=allowed)


def of_faults(errors: Iterable[Mapping[str, Any]]) -> Refusal:
    """What pydantic found wrong in a request, which is never repeated: it may be what must not be logged or shown."""
    found = told_once(errors)
    if any(one["type"] == "json_invalid" for one in found):
        return Refusal(ProblemType.BAD_REQUEST, "the body is no JSON")
    faults = tuple(Fault(where=_where(one["loc"]), expected=_expected(one["msg"])) for one in found)
    return Refusal(ProblemType.INVALID, faults=faults)


def _where(place: tuple[Any, ...]) -> str:
    """The place of a fault; a name that the caller made up is cut."""
    return ".".join(str(part)[:60] for part in place)[:300]


def _expected(words: str) -> str:
    return words.removeprefix("Value error, ")[:300]


def check_json(media_type: str) -> None:
    """Raises: `Refusal` for a body of another media type, which a framework would call a fault of a field."""
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(ProblemType.MEDIA_TYPE, "a body is application/json")


def check_names(known: Iterable[str], asked: Iterable[str]) -> None:
    """Raises: `Refusal` for a query parameter that the operation does not have, or that stands twice.

    What is misspelt would else be passed over, and of two values each reader could take another.
    """
    known, names = set(known), list(asked)
    if not known >= set(names) or len(set(names)) != len(names):
        expected = ", ".join(sorted(known)) or "none"
        raise Refusal(ProblemType.INVALID, f"query parameters, each once at most: {expected}", reason="query")


def described(example: object, *kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer with, for OpenAPI: an example, its problems, and those that every operation has."""
    good = {"content": {"application/json": {"example": example}}}
    return {200: good, **{kind.status: _described(kind) for kind in (*kinds, *_ANYWHERE)}}


_ANYWHERE: Final = (
    ProblemType.BAD_REQUEST,
    ProblemType.UNAUTHORISED,
    ProblemType.TIMEOUT,
    ProblemType.TOO_LARGE,
    ProblemType.INVALID,
    ProblemType.TOO_MANY,
    ProblemType.INTERNAL,
    ProblemType.NOT_READY,
)


def _described(kind: ProblemType) -> dict[str, Any]:
    example = problem(kind).model_dump(mode="json", exclude_defaults=True)
    return {
        "description": kind.words,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
