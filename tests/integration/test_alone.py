"""The broker works from a tree that has nothing but `schemas` and `broker`, with a key folder of its own keys only.

INVARIANT (the broker holds no key that opens content): the code that opens is not within its reach, nor is a key.
"""

import shutil
import sys
import sysconfig
from pathlib import Path

from schemas.ids import AgencyId
from tests.integration.live import Live, assert_exact

ROOT = Path(__file__).parents[2]
RECORDS = 40

# Isolated, without `site`: no .pth file is read, so the link to this very tree is not followed.
_LAUNCH = """
import importlib.util, runpy, sys
tree, libraries, *argv = sys.argv[1:]
sys.path[:0] = [tree]
sys.path.append(libraries)
for name in ("agencies", "deploy", "tests"):
    if importlib.util.find_spec(name) is not None:
        sys.exit(f"{name} is within reach")
sys.argv = argv
runpy.run_module("broker", run_name="__main__", alter_sys=True)
"""


def secrets_of(live: Live, agency: AgencyId) -> dict[str, bytes]:
    """The private files of an agency."""
    own = live.ceremony.agency(agency)
    return {
        "signing": (own / "keys" / "signing.key").read_bytes(),
        "token": (own / "keys" / "token.key").read_bytes(),
        "opening": (own / "keys" / "opening.key").read_bytes(),
        "identity": (own / "offline" / "identity.key").read_bytes(),
        "tls": (own / "keys" / "tls.pem").read_bytes(),
    }


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_the_broker_from_a_tree_of_its_own(live: Live, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for package in ("schemas", "broker"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    assert names(tree) == {"schemas", "broker"}
    libraries = sysconfig.get_path("purelib")
    line = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(tree), libraries, "broker"]
    worker = live.run("alone", [*line, str(live.broker_settings())], cwd=tmp_path)
    await live.said(worker, "ready")
    share = RECORDS // len(live.agencies)
    await live.start_nodes([live.node(a, share) for a in live.agencies])
    await assert_exact(live, share * len(live.agencies))
    assert worker.alive
    assert await worker.terminate() == 0


async def test_each_folder_holds_its_own_keys_only(live: Live) -> None:
    assert names(live.broker_tls) == {"ca.pem", "tls.pem", "signing.key"}
    for agency in live.agencies:
        own = live.ceremony.agency(agency)
        assert names(own / "keys") == {"ca.pem", "tls.pem", "signing.key", "opening.key", "token.key"}
        assert names(own / "offline") == {"identity.key"}
    everybody: dict[str, Path] = {a: live.ceremony.agency(a) for a in live.agencies}
    everybody["broker"] = live.ceremony.broker
    own_keys = {
        "federation": {"ca.pem", "tls.pem"},
        "auditor": {"ca.pem", "tls.pem", "token.key"},
        "operator": {"token.key"},
    }
    for service, files_there in own_keys.items():
        assert names(live.ceremony.tls(service)) == files_there
        everybody[service] = live.ceremony.tls(service)
    for owner in live.agencies:
        for name, secret in secrets_of(live, owner).items():
            for holder, folder in everybody.items():
                files = [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
                assert bool(files) == (holder == owner), f"{name} of {owner} at {holder}"
                assert all(path.stat().st_mode & 0o077 == 0 for path in files)
