"""The federation of the vectors: its genesis and every private key, in one committed file.

The keys are synthetic, public and worth nothing: they protect these vectors' invented records and nothing else.
"""

import json
from base64 import b64decode, b64encode
from functools import cache
from pathlib import Path

from agencies.keystore import OpeningKey
from schemas.arrangement import genesis_digest, verify_genesis
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from tests.support.members import Members, make_members

FOLDER = Path(__file__).parent
FILE = FOLDER / "federation.json"
_WARNING = "synthetic keys of an invented federation, for test vectors only; never use them for anything else"


def write_keys(members: Members, genesis: bytes) -> None:
    """Write the file that `read_keys` reads."""
    agencies = {
        agency: {
            "identity": _text(members.identities[agency].seeds()),
            "signing": _text(members.signing[agency].seeds()),
            "opening": _text(members.opening[agency].to_bytes()),
        }
        for agency in members.arrangement.directory.agency_ids
    }
    content = {
        "warning": _WARNING,
        "genesis_digest": genesis_digest(genesis).hex(),
        "genesis": _text(genesis),
        "broker": _text(members.broker.seeds()),
        "agencies": agencies,
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@cache
def read_keys() -> Members:
    """The committed federation."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    agencies = {AgencyId(a): keys for a, keys in content["agencies"].items()}

    def pairs(which: str) -> dict[AgencyId, SigningPair]:
        return {a: SigningPair.from_seeds(b64decode(keys[which])) for a, keys in agencies.items()}

    return make_members(
        verify_genesis(b64decode(content["genesis"]), Digest(bytes.fromhex(content["genesis_digest"]))),
        pairs("identity"),
        pairs("signing"),
        {a: OpeningKey.from_bytes(b64decode(keys["opening"])) for a, keys in agencies.items()},
        SigningPair.from_seeds(b64decode(content["broker"])),
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode()
