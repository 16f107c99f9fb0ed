"""`entente demo --keep`: the run goes on with its APIs, and the commands for people find them."""

import json
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx

from agencies.api import examples
from deploy.stage.addresses import APIS, read_addresses
from tests.integration.live import until

_LIMIT = 240.0


def by_command(folder: Path) -> None:
    """An officer of London publishes, one of Paris finds and reads it, and the log says so."""

    def entente(agency: str, *arguments: str, officer: str = "analyst-1", code: int | None = 0) -> str:
        line = [sys.executable, "-P", "-m", "deploy.cli", "agency", *arguments]
        where = ["--run", str(folder), "--agency", agency, "--officer", officer]
        made = subprocess.run(
            [*line, *where],
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert code in (None, made.returncode), made.stdout + made.stderr
        return made.stderr if code else made.stdout

    record: dict[str, Any] = deepcopy(dict(examples.RECORD))
    record["portions"][0]["content"]["summary"] = "Vermilion hulls"
    file = folder / "record.json"
    file.write_text(json.dumps(record))
    assert "sealed for it" in entente("gb-nca", "preview", str(file))
    made = json.loads(entente("gb-nca", "publish", str(file), "--key", "by-command-1", "--json"))
    again = entente("gb-nca", "publish", str(file), "--key", "by-command-1")
    assert made["record"] in again
    deadline = time.monotonic() + _LIMIT
    while made["record"] not in entente("fr-oltim", "search", "vermilion", "--purpose", "detection"):
        assert time.monotonic() < deadline, "not found in Paris"
    reading = ["read", "gb-nca", made["record"], "--purpose", "detection", "--justification", "case 7"]
    assert "Vermilion hulls" in entente("fr-oltim", *reading)
    assert "Vermilion" not in entente("pf-social", *reading, officer="chief", code=1)
    assert "case 7" in entente("fr-oltim", "log")
    assert "case 7" in entente("fr-oltim", "log", officer="dpo")
    assert made["record"] in entente("fr-oltim", "inbox", "--purpose", "detection")
    while "fr-oltim" not in (told := entente("gb-nca", "decisions", made["record"], code=None)):
        assert time.monotonic() < deadline, "not decided"
    assert "released" in told
    assert entente("gb-nca", "decisions", "--limit", "1", "--json")
    assert "not for this role" in entente("fr-oltim", "decisions", officer="it-pds/liaison-paris", code=2)


async def test_a_kept_run_has_a_broker_api(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    line = [sys.executable, "-P", "-m", "deploy.cli"]
    play = subprocess.Popen(
        [*line, "demo", "--headless", "--keep", "--records", "20", "--rate", "0", "--folder", folder],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    try:

        def token(*arguments: str) -> str:
            made = subprocess.run(
                [*line, "broker", "token", folder, *arguments], capture_output=True, text=True, timeout=_LIMIT
            )
            assert made.returncode == 0, made.stderr
            return made.stdout.strip()

        await until(lambda: play.poll() is not None or (folder / APIS).exists(), "addresses", _LIMIT)
        assert play.poll() is None
        url = read_addresses(folder).broker
        assert url is not None
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await until(ready, "the API is ready")
            for role in (["auditor"], ["operator"], ["officer", "--agency", "gb-nca"]):
                shown = {"authorization": f"Bearer {token('--role', *role)}"}
                assert (await client.get("/v1/arrangement", headers=shown)).status_code == 200
        by_command(folder)
    finally:
        play.send_signal(signal.SIGINT)
        output, _ = play.communicate(timeout=_LIMIT)
    assert play.returncode in (0, 130), output
