"""The JSON schema of the scenario language, for editors: made from the models, and committed beside them.

python -m deploy.scenarios.schema > deploy/scenarios/schema.json
"""

import json
import sys

from deploy.scenarios import SHIPPED
from deploy.scenarios.model import Scenario

SCHEMA_FILE = SHIPPED / "schema.json"


def scenario_schema() -> str:
    """The schema as it is committed, ending in a newline."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "entente-scenario.json",
        **Scenario.model_json_schema(),
        "title": "A scenario",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(scenario_schema())
