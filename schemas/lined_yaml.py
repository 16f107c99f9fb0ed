"""YAML that people write, read so that each error names file, line, field and what was expected.

- Words are what they look like: only `true` and `false` are truths, so `NO` stays Norway and `on` a word.
- A key that stands twice is an error (YAML's usual readers keep the last one, silently).
- No anchors, aliases and tags: what is written is what is there.
- Values are checked by a pydantic model; its errors are put at the line of the field they are about.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from schemas.model import told_once

_M = TypeVar("_M", bound=BaseModel)
Path = tuple[str | int, ...]

_PLAIN_TAGS = {
    "tag:yaml.org,2002:null": re.compile(r"(?:~|null|)\Z"),
    "tag:yaml.org,2002:bool": re.compile(r"(?:true|false)\Z"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+\Z"),
}


class YamlError(Exception):
    """A file that is not what it should be; `errors` has a line of text for each thing found."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(errors))


class _Loader(yaml.SafeLoader):
    """Scalars get a tag by `_PLAIN_TAGS` and are text otherwise."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own name and shape
        None: list(_PLAIN_TAGS.items())
    }


@dataclass(frozen=True, slots=True)
class LinedYaml:
    """A file's values, and its nodes, which know their lines."""

    file: str
    values: dict[str, object]
    root: MappingNode

    def check(self, model: type[_M], values: object, at: Path = ()) -> _M:
        """`values` as the model, `at` being where they stand in the file. Raises: `YamlError`."""
        try:
            return model.model_validate(values)
        except ValidationError as error:
            lines = [
                self._fault(e["type"], e["msg"], e["input"], (*at, *e["loc"]))
                for e in told_once(error.errors())
            ]
            raise YamlError(lines) from error

    def line(self, path: Path) -> int:
        """The line, counted from 1, of the field at `path`, or of the nearest above it."""
        return _line(_find(self.root, path))

    def error(self, path: Path, message: str) -> YamlError:
        """An error of the caller's own about the field at `path`."""
        return YamlError([f"{self.file}:{self.line(path)}: {field_name(path)}: {message}"])

    def _fault(self, kind: str, message: str, value: object, path: Path) -> str:
        node = _find(self.root, path)
        expected = message.removeprefix("Value error, ")
        if kind == "missing":
            expected = "this field is missing"
        elif kind == "extra_forbidden":
            expected = "there is no such field"
        elif isinstance(value, str | int | float) and kind not in ("value_error", "missing"):
            expected = f"{_short(expected)}, found {value!r}"
        if kind == "value_error":
            node = _about(node, message) or node
        return f"{self.file}:{_line(node)}: {field_name(path)}: {expected}"


def read_lined(file: str, text: str) -> LinedYaml:
    """Parse a file whose whole is one mapping. Raises: `YamlError`."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise YamlError([f"{place}: no valid YAML: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise YamlError([f"{file}: no valid YAML: {' '.join(str(error).split())}"]) from error
    if len(nodes) != 1 or not isinstance(nodes[0], MappingNode):
        raise YamlError([f"{file}:1: expected one mapping of fields, 'name: value'"])
    root = nodes[0]
    errors: list[str] = []
    _check(file, root, (), errors, set())
    if errors:
        raise YamlError(errors)
    loader = _Loader("")
    try:
        values = loader.construct_document(root)
    finally:
        loader.dispose()
    return LinedYaml(file, values, root)


def _check(file: str, node: Node, path: Path, errors: list[str], seen: set[int]) -> None:
    """Doubled keys, aliases, tags."""
    if id(node) in seen:
        errors.append(f"{file}:{_line(node)}: {field_name(path)}: an alias; write it out")
        return
    seen.add(id(node))
    plain = {*_PLAIN_TAGS, *(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))}
    if node.tag not in plain:
        errors.append(f"{file}:{_line(node)}: {field_name(path)}: the tag '{node.tag}' is not read here")
    elif isinstance(node, MappingNode):
        keys: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                errors.append(f"{file}:{_line(key)}: {field_name(path)}: a field's name is one word")
                continue
            name, first = str(key.value), keys.get(str(key.value))
            if first is not None:
                errors.append(
                    f"{file}:{_line(key)}: {field_name((*path, name))}: stands twice; first in line {first}"
                )
            keys.setdefault(name, _line(key))
            _check(file, value, (*path, name), errors, seen)
    elif isinstance(node, SequenceNode):
        for at, value in enumerate(node.value):
            _check(file, value, (*path, at), errors, seen)


def field_name(path: Path) -> str:
    """A path as people write it: `agencies[2].states[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the file"


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _find(root: Node, path: Path) -> Node:
    """The node at the path, or the nearest above it; of a mapping's field, the node of its name."""
    node, place = root, root
    for part in path:
        if isinstance(node, MappingNode):
            pairs = [(k, v) for k, v in node.value if str(k.value) == part]
            if not pairs:
                break
            place, node = pairs[-1]
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = place = node.value[part]
        else:
            break
    return place


def _about(node: Node, message: str) -> Node | None:
    """The nearest place under the node to what a model's own check says of ids.

    It quotes them, the culprit last; an id that stands twice is meant where it is last declared (`id:`).
    """
    scalars = list(_scalars(node, ""))
    for quoted in reversed(re.findall(r"'([^']+)'", message)):
        found = [(name, scalar) for name, scalar in scalars if scalar.value == quoted]
        declared = [scalar for name, scalar in found if name == "id"]
        if found:
            return declared[-1] if declared else found[-1][1]
    return None


def _scalars(node: Node, name: str) -> Iterator[tuple[str, ScalarNode]]:
    """Every word under the node with the name of its field, in order."""
    if isinstance(node, ScalarNode):
        yield name, node
    elif isinstance(node, SequenceNode):
        for child in node.value:
            yield from _scalars(child, name)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            yield "", key
            yield from _scalars(value, str(key.value))


def _short(message: str) -> str:
    """The list of 250 states helps nobody."""
    return (
        message
        if len(message) <= 200
        else f"{message[:60].rsplit(',', 1)[0]}, .. ({message.count(',') + 2} codes)"
    )
