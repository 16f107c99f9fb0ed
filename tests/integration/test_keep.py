"""`entente demo --keep`: the run goes on with its APIs, and the commands for people find them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from deploy.stage.addresses import APIS, read_addresses
from tests.integration.live import until

_LIMIT = 240.0


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
    finally:
        play.send_signal(signal.SIGINT)
        output, _ = play.communicate(timeout=_LIMIT)
    assert play.returncode in (0, 130), output
