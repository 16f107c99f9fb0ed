"""The base of everything that people write and read: records, directory, arrangement files, settings."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, WrapSerializer
from pydantic_core import from_json
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.environment import BadVariable, OverFile, name_of
from schemas.logs import LogFormat, LogLevel

_T = TypeVar("_T")


#: A set of texts, written in their order. A set's own order differs from process to process, and with it would the
#: bytes, and so the digests, of two versions that say the same.
SortedSet = Annotated[
    frozenset[_T], WrapSerializer(lambda value, write: sorted(write(value)), when_used="json")
]


class Model(BaseModel):
    """Frozen, and a field that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SettingsPart(Model):
    """An object within settings, its fields documented as those of `Settings`."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Settings(BaseSettings):
    """The settings of a process: one JSON file, each value overridable by the environment; read once, by its root.

    A docstring under each field is its meaning in `docs/settings.md`. A secret is a `SecretStr` or the path of a file.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        env_prefix="ENTENTE_",
        env_nested_delimiter="__",
        env_parse_none_str="null",
        case_sensitive=True,
    )

    log: LogFormat = LogFormat.TEXT
    """How a line of the log is written: for people, or as one JSON object for machines."""
    log_level: LogLevel = LogLevel.INFO
    """The least level that is logged. Of other libraries only warnings are, at any level."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `parse_settings` has put together: a constructor that looked around would surprise a test."""
        return (init_settings,)


class BadSettings(ValueError):
    """Settings that cannot be used; one line a fault: where, which field, what was expected."""


_M = TypeVar("_M", bound=BaseModel)
_Fault = TypeVar("_Fault", bound=Mapping[str, Any])


def parse_settings(model: type[_M], data: bytes, where: str) -> _M:
    """A model from JSON; of `Settings`, what the environment says goes before the file. Raises: `BadSettings`."""
    over = OverFile(model) if issubclass(model, Settings) else None
    try:
        if over is None:
            return model.model_validate_json(data)
        return model(**over.merged(_object(data, where)))
    except BadVariable as error:
        raise BadSettings(str(error)) from None
    except ValidationError as error:
        faults = told_once(error.errors(include_input=False))
    raise BadSettings("\n".join(f"{_where(over, one['loc'], where)}: {one['msg']}" for one in faults))


def told_once(faults: Iterable[_Fault]) -> list[_Fault]:
    """What pydantic found, without a sequence that it calls too short because its only item is at fault."""
    found = list(faults)
    within = {one["loc"][:n] for one in found for n in range(len(one["loc"]))}
    return [one for one in found if one["type"] != "too_short" or one["loc"] not in within]


def _object(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise BadSettings(f"{where}: file: Invalid JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadSettings(f"{where}: file: an object is expected")
    return found


def _where(over: OverFile | None, loc: tuple[int | str, ...], file: str) -> str:
    """The file or the variable that has the value at fault, and the field."""
    variable = None if over is None else over.variable(loc)
    field = ".".join(map(str, loc)) or "file"
    return f"{file}: {field}" if variable is None else f"{name_of(variable)}: {field}"
