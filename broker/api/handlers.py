"""Lets FastAPI tell every refusal, its own among them, as a problem of the closed list."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.http.problems import MEDIA_TYPE
from schemas.http.refusals import Refusal, of_faults, of_status


def add_handlers(app: FastAPI) -> None:
    """For what is refused. What is no refusal is left to `schemas.http.answers`."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _invalid)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return Response(error.problem.body(), error.problem.status, error.headers, MEDIA_TYPE)


def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refused(request, of_status(error.status_code, error.headers))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _refused(request, of_faults(error.errors()))
