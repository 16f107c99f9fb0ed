"""An OpenAPI document as our services tell it, made from the one that a framework wrote."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic.json_schema import JsonSchemaValue

from schemas.http.problems import Problem

REFERENCE = "#/components/schemas/{model}"


class Operation(NamedTuple):
    """A route, and what was said of its good answer (`schemas.http.refusals.described`)."""

    path: str
    method: str
    good: dict[str, Any]


def finish(document: dict[str, Any], operations: Iterable[Operation]) -> None:
    """Mend in place: the problem as a shared schema, each example whole, no parameter that may be null."""
    schemas = shared(document)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template=REFERENCE)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for operation in operations:
        told = document["paths"][operation.path][operation.method.lower()]["responses"]["200"]["content"]
        if "application/json" in told:
            # The framework leaves out each null of an example, and a null here says something
            told["application/json"]["example"] = operation.good["content"]["application/json"]["example"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])


def shared(document: dict[str, Any]) -> dict[str, Any]:
    """The document's shared schemas, to be added to."""
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    return schemas


def _never_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """A parameter that may be left out is told of as one that may be null, which no text can be."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{k: v for k, v in schema.items() if k not in ("anyOf", "default")}, **kinds[0]}
