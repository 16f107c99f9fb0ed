"""Builds the vectors: `python -m tests.vectors.build`, after a change of the format and never otherwise.

- The federation is kept if its file is there; signatures and encapsulations are random, so all other files change.
- Each vector states its reason by construction; a build whose code comes to another one stops.
"""

import json
import shutil

from tests.support import federation
from tests.support.members import members
from tests.vectors.keys import FILE, FOLDER, read_keys, write_keys
from tests.vectors.outcome import Outcome, admitted, opened
from tests.vectors.refused import REFUSED, good_submissions
from tests.vectors.scenes import Scene
from tests.vectors.unopened import UNOPENED, good_deliveries


def build() -> None:
    """Write every file anew."""
    if not FILE.exists():
        write_keys(members(), federation.ceremony().genesis)
    fixed = read_keys()
    for folder in ("refused", "unopened", "submissions", "deliveries"):
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
        (FOLDER / folder).mkdir()
    for name, submission in good_submissions(fixed).items():
        _write("submissions", name, submission, admitted(fixed, submission.agency, submission.messages, True))
    for name, delivery in good_deliveries(fixed).items():
        _write("deliveries", name, delivery, opened(fixed, delivery.agency, delivery.messages))
    for refused, make in REFUSED.items():
        scene = make(fixed)
        outcome = admitted(fixed, scene.agency, scene.messages, True)
        last = outcome["ledger"][-1]
        if last.get("reason") != refused:
            raise SystemExit(f"refused/{refused}: the last leaf is {last}")
        _write("refused", refused, scene, outcome)
    for unopened, make in UNOPENED.items():
        scene = make(fixed)
        outcome = opened(fixed, scene.agency, scene.messages)
        if {bad["reason"] for bad in outcome["quarantine"]} != {unopened}:
            raise SystemExit(f"unopened/{unopened}: the quarantine is {outcome['quarantine']}")
        _write("unopened", unopened, scene, outcome)


def _write(folder: str, name: str, scene: Scene, outcome: Outcome) -> None:
    content = {
        "about": scene.about,
        "agency": scene.agency,
        "messages": [m.to_json() for m in scene.messages],
        "expects": outcome,
    }
    if folder in ("refused", "unopened"):
        content = {"reason": name} | content
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build()
