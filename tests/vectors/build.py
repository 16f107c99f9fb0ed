"""Builds the vectors: `python -m tests.vectors.build`, after a change of the format and never otherwise.

- The federation is kept if its file is there; signatures and encapsulations are random, so all other files change.
- Each vector states its reason or its class by construction; a build whose code comes to another one stops.
"""

import json
import shutil
from base64 import b64encode
from typing import Any

from tests.support import federation
from tests.support.members import Members, members
from tests.vectors import certificates, checkpoints, receipts, rounds, versions
from tests.vectors.keys import FILE, FOLDER, read_keys, write_keys
from tests.vectors.ledgers import every_leaf
from tests.vectors.outcome import Outcome, admitted, believed, checkpointed, opened
from tests.vectors.refused import REFUSED, good_submissions
from tests.vectors.refused import fails as fails_admission
from tests.vectors.scenes import Fails, Scene
from tests.vectors.unopened import UNOPENED, good_deliveries
from tests.vectors.unopened import fails as fails_opening

_FOLDERS = (
    "refused",
    "unopened",
    "submissions",
    "deliveries",
    "certificates",
    "rounds",
    "checkpoints",
    "receipts",
    "arrangement",
    "ledgers",
)


def build() -> None:
    """Write every file anew."""
    if not FILE.exists():
        write_keys(members(), federation.ceremony().genesis)
    fixed = read_keys()
    for folder in _FOLDERS:
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
        (FOLDER / folder).mkdir()
    for name, submission in good_submissions(fixed).items():
        _scene("submissions", name, submission, admitted(fixed, submission.agency, submission.messages, True))
    for refused, make in REFUSED.items():
        scene = make(fixed)
        outcome = admitted(fixed, scene.agency, scene.messages, True)
        last = outcome["ledger"][-1]
        if last.get("reason") != refused:
            raise SystemExit(f"refused/{refused}: the last leaf is {last}")
        _scene("refused", refused, scene, outcome, refused, fails_admission(refused))
    for name, delivery in good_deliveries(fixed).items():
        _scene("deliveries", name, delivery, opened(fixed, delivery.agency, delivery.messages))
    for unopened, make in UNOPENED.items():
        scene = make(fixed)
        outcome = _quarantined(fixed, f"unopened/{unopened}", scene, unopened)
        _scene("unopened", unopened, scene, outcome, unopened, fails_opening(unopened))
    _chains(fixed)
    _rounds(fixed)
    _checkpoints(fixed)
    _receipts(fixed)
    _histories()
    parcels, expects = every_leaf(fixed)
    about = "a lane's activation, a record and a receipt, its resend, garbage, a jump to a record for two"
    content = {"about": about, "agency": "gb-nca", "parcels": [b64encode(p).decode() for p in parcels]}
    _write("ledgers", "every_leaf", content | {"expects": expects})


def _quarantined(m: Members, where: str, scene: Scene, reason: str) -> Outcome:
    outcome = opened(m, scene.agency, scene.messages)
    if {bad["reason"] for bad in outcome["quarantine"]} != {reason}:
        raise SystemExit(f"{where}: the quarantine is {outcome['quarantine']}")
    return outcome


def _chains(m: Members) -> None:
    for name, make in (certificates.GOOD | certificates.BAD).items():
        scene = make(m)
        outcome = opened(m, scene.agency, scene.messages)
        if bool(outcome["quarantine"]) != (scene.fails is Fails.DELIVERY):
            raise SystemExit(f"certificates/{name}: the quarantine is {outcome['quarantine']}")
        if bool(outcome["alarms"]) != (name in certificates.BAD):
            raise SystemExit(f"certificates/{name}: the alarms are {outcome['alarms']}")
        _scene("certificates", name, scene, outcome, None, scene.fails)


def _rounds(m: Members) -> None:
    for name, make in (rounds.GOOD | rounds.BAD).items():
        scene = make(m)
        outcome = opened(m, scene.agency, scene.messages)
        if bool(outcome["quarantine"]) != (scene.fails is Fails.HEAD):
            raise SystemExit(f"rounds/{name}: the quarantine is {outcome['quarantine']}")
        _scene("rounds", name, scene, outcome, None, scene.fails)


def _checkpoints(m: Members) -> None:
    for name, (reason, about, entry) in checkpoints.every(m).items():
        expects = checkpointed(m, entry)
        if expects.get("refused") != reason:
            raise SystemExit(f"checkpoints/{name}: it comes to {expects}")
        content: dict[str, Any] = {} if reason is None else {"reason": reason}
        content |= {"about": about, "agency": "gb-nca", "entry": b64encode(entry).decode()}
        _write("checkpoints", name, content | {"expects": expects})


def _receipts(m: Members) -> None:
    for name, make in receipts.GOOD.items():
        scene = make(m)
        _scene("receipts", name, scene, opened(m, scene.agency, scene.messages))
    for name, (reason, make) in receipts.BAD.items():
        scene = make(m)
        outcome = _quarantined(m, f"receipts/{name}", scene, reason)
        _scene("receipts", name, scene, outcome, reason, scene.fails)


def _histories() -> None:
    trio = versions.Trio()
    for name, history in (versions.good(trio) | versions.bad(trio)).items():
        expects = believed(history.genesis, history.messages)
        if bool(expects["refused"]) != (history.fails is not None):
            raise SystemExit(f"arrangement/{name}: it comes to {expects}")
        content: dict[str, Any] = {} if history.fails is None else {"class": history.fails}
        content |= {"about": history.about, "genesis_digest": history.genesis.hex()}
        messages = [b64encode(data).decode() for data in history.messages]
        if len(messages) == 2:
            messages[0] = "genesis.json"  # its only message: no need to repeat 80 KB in every file
        _write("arrangement", name, content | {"messages": messages, "expects": expects})


def _scene(
    folder: str,
    name: str,
    scene: Scene,
    outcome: Outcome,
    reason: str | None = None,
    fails: str | None = None,
) -> None:
    content: dict[str, Any] = {} if reason is None else {"reason": reason}
    content |= {} if fails is None else {"class": fails}
    content |= {"about": scene.about, "agency": scene.agency}
    _write(folder, name, content | {"messages": [m.to_json() for m in scene.messages], "expects": outcome})


def _write(folder: str, name: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build()
