"""How the environment overrides a settings file: `ENTENTE_LOG=json`, `ENTENTE_NODES__0__STORE=sqlite:///x`.

- A variable is named by the path to the value, in capitals, joined by `__`; of a list, an item by its number.
- It holds a plain value, or JSON for a list or an object, which then replaces the file's; `null` is no value.
- A list grows by its next number. A number further off, and a part that no setting has, are faults as in the file.
- A variable for a setting that this process does not have may be meant for another one: `strangers` names those.
"""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

Path = tuple[int | str, ...]


class BadVariable(ValueError):
    """A variable that fits into no file of settings. One line, without its value."""


class OverFile(EnvSettingsSource):
    """The environment, as far as it says something of one model's fields."""

    def __init__(self, model: type[BaseSettings]) -> None:
        super().__init__(model, case_sensitive=False)

    def merged(self, file: dict[str, Any]) -> dict[str, Any]:
        """The file's object with what the environment says in its places. Raises: `BadVariable`."""
        try:
            said = self()
        except SettingsError as error:
            cause = error.__cause__  # its words would quote the value
            raise BadVariable(f"environment: {error}: JSON is expected ({type(cause).__name__})") from None
        return {**file, **{name: _laid_over(file.get(name), over, name) for name, over in said.items()}}

    def variable(self, place: Path) -> str | None:
        """The variable that set the value at a place, whole or in part of what is above it; None: the file did."""
        names = [self._name(place[:n]) for n in range(len(place), 0, -1)]
        return next((name for name in names if name in self.env_vars), None)

    def strangers(self) -> list[str]:
        """Variables with our prefix that no field of this process answers to."""
        fields = [self._name((field,)) for field in self.settings_cls.model_fields]
        ours = (name for name in self.env_vars if name.startswith(self._name(())))
        return [
            name_of(name)
            for name in sorted(ours)
            if not any(name == field or name.startswith(f"{field}__") for field in fields)
        ]

    def _name(self, place: Path) -> str:
        return self.env_prefix.lower() + "__".join(map(str, place)).lower()

    def next_field(
        self, field: FieldInfo | Any | None, key: str, case_sensitive: bool | None = None
    ) -> FieldInfo | None:
        """As the base class, and into the items of a list: what is complex in them is JSON, too."""
        annotation = field.annotation if isinstance(field, FieldInfo) else field
        if get_origin(annotation) in (tuple, list) and key.isdecimal():
            item: FieldInfo = get_args(annotation)[0]
            return item
        return super().next_field(field, key, case_sensitive)


def name_of(variable: str) -> str:
    """As people write it."""
    return variable.upper()


def _laid_over(below: object, over: object, place: str) -> object:
    if not isinstance(over, Mapping):
        return over
    if isinstance(below, Mapping):
        return {**below, **{key: _laid_over(below.get(key), v, f"{place}.{key}") for key, v in over.items()}}
    numbered = bool(over) and all(key.isdecimal() for key in over)
    if isinstance(below, list) or (below is None and numbered):
        return _items(below or [], over, place)
    return over


def _items(below: list[object], over: Mapping[str, object], place: str) -> list[object]:
    """A list with some of its items overridden, in the order of their numbers."""
    items = list(below)
    for key in sorted(over, key=lambda key: (len(key), key)):
        at = int(key) if key.isdecimal() else -1
        if not 0 <= at <= len(items):
            raise BadVariable(
                f"environment: {place}.{key}: one of the {len(items)} items is expected, or the next"
            )
        item = _laid_over(items[at] if at < len(items) else None, over[key], f"{place}.{key}")
        items[at : at + 1] = [item]
    return items
