"""The base of everything that people write and read: records, directory, arrangement files."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Model(BaseModel):
    """Frozen, and a field that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BadSettings(ValueError):
    """Settings that cannot be used; one line a fault: where, which field, what was expected."""


_M = TypeVar("_M", bound=BaseModel)


def parse_settings(model: type[_M], data: bytes, where: str) -> _M:
    """Settings of a service from JSON. Raises: `BadSettings`."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        faults = [(e["loc"], e["type"], e["msg"]) for e in error.errors()]
        # A sequence whose only item is at fault is also called too short: the same fault, told twice.
        within = {loc[:n] for loc, _, _ in faults for n in range(len(loc))}
        told = [(loc, words) for loc, kind, words in faults if kind != "too_short" or loc not in within]
        lines = (f"{where}: {'.'.join(map(str, loc)) or 'file'}: {words}" for loc, words in told)
        raise BadSettings("\n".join(lines)) from error
