"""The reference of all settings, `docs/settings.md`, written from the classes that read them.

A process that has settings gets a line in `PROCESSES`; type, default and meaning of a field come from the class. A test
holds the page against this.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_json

from agencies.settings import HostSettings
from broker.api.settings import ApiSettings
from broker.settings import BrokerSettings
from schemas.model import Settings

#: What reads settings: how it is started, what it is, and the class.
PROCESSES: Final[tuple[tuple[str, str, type[Settings]], ...]] = (
    ("python -m broker SETTINGS.json", "The broker: one worker of one shard", BrokerSettings),
    ("python -m broker.api SETTINGS.json", "The broker API, with its projection", ApiSettings),
    ("python -m agencies SETTINGS.json", "A node host: one or more nodes", HostSettings),
)

_MAPPINGS: Final = (dict, Mapping)

_HEAD: Final = """\
# Settings

Written by `entente settings > docs/settings.md`.

Each process reads one JSON file, which is its only argument, once, at its start. A variable of the environment goes
before the file: it is named as the last column says, with the number of an item, from 0, for `N`, and for `NAME` a
name, which is read in lower case. It holds the plain value, or JSON for a list or an object, which then replaces the
file's; `null` is no value. A setting that nobody knows, in the file or in a variable under one that is known, ends the
process with code 2 and one line a fault: file or variable, field, and what is expected. A variable for a setting that
the process does not have is noted in its log.

Secrets are files that a setting names, or values that no log and no error shows (`secret text`). Nothing insecure is a
default.
"""


def reference() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for command, title, model in PROCESSES:
        parts.append(f"\n## {title}\n\n`{command}`\n\n")
        parts.append("| setting | type | default | meaning | variable |\n|---|---|---|---|---|\n")
        parts += (f"| {' | '.join(row)} |\n" for row in _rows(model, "", "ENTENTE_"))
    return "".join(parts)


def _rows(model: type[BaseModel], above: str, variable: str) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        path, named = f"{above}{name}", f"{variable}{name.upper()}"
        meaning = " ".join((field.description or "").split())
        yield f"`{path}`", _type(field), _default(field), meaning, f"`{named}`"
        inner, each = _inner(field.annotation)
        if inner is not None:
            step = [each] if each else []
            yield from _rows(inner, ".".join([path, *step, ""]), "__".join([named, *step, ""]))


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model within a field's type, and what stands for one of many: `N`, `NAME`, or nothing."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    found = (_inner(part)[0] for part in get_args(annotation))
    return next((model for model in found if model is not None), None), _each(annotation)


def _each(annotation: Any) -> str:
    origin = get_origin(annotation)
    return "N" if origin in (tuple, list) else "NAME" if origin in _MAPPINGS else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default in (None, PydanticUndefined):
        return "none"
    value = field.default
    if value == "":
        return "empty"
    plain = isinstance(value, str | Path)
    return f"`{value if plain else to_json(value).decode()}`"


def _type(field: FieldInfo) -> str:
    bounds = [_bound(meta) for meta in field.metadata]
    return ", ".join([_name(field.annotation), *filter(None, bounds)])


def _bound(meta: object) -> str:
    if isinstance(meta, annotated_types.Ge):
        return f"at least {meta.ge}"
    if isinstance(meta, annotated_types.Gt):
        return f"more than {meta.gt}"
    if isinstance(meta, annotated_types.Le):
        return f"at most {meta.le}"
    if isinstance(meta, annotated_types.MinLen):
        return f"at least {meta.min_length}"
    pattern = getattr(meta, "pattern", None)
    return f"`{pattern}`".replace("|", "\\|") if pattern else ""


_NAMES: Final = {
    str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path", SecretStr: "secret text"
}  # fmt: skip


def _name(annotation: Any) -> str:
    args = [part for part in get_args(annotation) if part not in (NoneType, Ellipsis)]
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_name(part) for part in args)
    if get_origin(annotation) in (tuple, list):
        return f"list of {_name(args[0])}s"
    if get_origin(annotation) in _MAPPINGS:
        return f"{_name(args[1])} by name"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "object"
    if args:  # Annotated
        return _name(args[0])
    plain = getattr(annotation, "__supertype__", annotation)
    return _NAMES.get(plain) or str(plain.__name__)
