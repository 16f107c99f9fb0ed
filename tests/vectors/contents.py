"""The schema of contents, one JSON file for a second implementation: `python -m tests.vectors.contents`.

What an analyst's record may hold is defined by the models of `schemas.records`; this says it in JSON Schema, by
`<kind>/<portion>`. What no JSON Schema can say (check digits, one field against another) stands in docs/wire-format.md.
"""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from schemas.records import KINDS

FILE = Path(__file__).parents[2] / "docs" / "record-contents.schema.json"


def contents_schema() -> dict[str, Any]:
    """Of every portion of every kind. `portions` leads from `<kind>/<portion>` to the definition."""
    named = {
        f"{kind}/{name}": portion.content
        for kind, spec in KINDS.items()
        for name, portion in spec.portions.items()
    }
    refs, definitions = models_json_schema([(model, "validation") for model in named.values()])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Contents of Entente's records, format 1",
        "portions": {name: refs[model, "validation"] for name, model in named.items()},
        "$defs": definitions["$defs"],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(contents_schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
