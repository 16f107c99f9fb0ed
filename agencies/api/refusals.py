"""How the service says no: every refusal, its framework's own among them, is a problem of the closed list."""

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.http.problems import MEDIA_TYPE, Fault, Problem, ProblemType, problem, type_of


class Refusal(Exception):
    """A request that is not answered with what it asks for."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str | None = None,
        *,
        reason: str | None = None,
        faults: tuple[Fault, ...] = (),
        retry_s: int = 0,
    ) -> None:
        super().__init__(kind)
        self.problem = problem(kind, detail, reason=reason, faults=faults)
        self.headers = {"retry-after": str(retry_s)} if retry_s else {}


def not_found() -> Refusal:
    """The one answer for what is not there and for what the caller may not see."""
    return Refusal(ProblemType.NOT_FOUND)


def _response(what: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(what.body(), what.status, headers, MEDIA_TYPE)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _response(error.problem, error.headers)


def _of_framework(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    allowed = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    return _response(problem(type_of(error.status_code)), allowed)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = list(error.errors())
    if any(one["type"] == "json_invalid" for one in found):
        return _response(problem(ProblemType.BAD_REQUEST, "the body is no JSON"))
    # A sequence whose only item is at fault is also called too short: the same fault, told twice
    within = {one["loc"][:n] for one in found for n in range(len(one["loc"]))}
    found = [one for one in found if one["type"] != "too_short" or one["loc"] not in within]
    # Never the value itself: what was sent may be what must not be logged or shown
    faults = tuple(Fault(where=_where(one["loc"]), expected=_expected(one)) for one in found)
    return _response(problem(ProblemType.INVALID, faults=faults))


def _where(place: tuple[Any, ...]) -> str:
    """The place of a fault; a name that the caller made up is cut."""
    return ".".join(str(part)[:60] for part in place)[:300]


def _expected(fault: dict[str, Any]) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")[:300]


def add_handlers(app: FastAPI) -> None:
    """Let the app tell every refusal as a problem. What is no refusal is left to the outermost middleware."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _invalid)


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
