"""What you are not given leaves no trace in what you are given, and the same search finds it where it belongs.

For each withheld (portion, recipient): nothing that could show that the portion exists, or open it, stands in any
byte of any topic that the recipient can read, aborted bytes included; a piece of its plaintext stands in no file of
the recipient and in no log. The positive control is the originator and everybody entitled.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from deploy.kafka.cluster import Cluster
from deploy.stage.count import fates
from schemas.envelope import (
    RecordEntry,
    parse_broker_only,
    parse_manifest,
    parse_submission_entry,
    wraps_of,
)
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import Admitted
from schemas.topics import acl_table, submit_topic
from tests.integration.live import Live, assert_exact, more

RECORDS = 150
_CANARY = 24  # bytes
#: Characters that neither JSON nor SQL writes in another way.
_PLAIN = re.compile(r"[A-Za-z0-9 .,:;/-]{24,}")
_PREFIX = 24


@dataclass(frozen=True, slots=True)
class Portion:
    """A portion as its originator closed it: what could betray it, and a piece of its plaintext."""

    originator: AgencyId
    record_id: bytes
    manifest: bytes
    salt: bytes
    routing_salt: bytes
    ciphertext: bytes
    wraps: dict[str, bytes]
    canary: bytes | None

    def traces(self) -> dict[str, bytes]:
        """What must not be found by who is not given the portion."""
        return {
            "salt": self.salt,
            "routing salt": self.routing_salt,
            "ciphertext digest": sha256(self.ciphertext).digest(),
            "ciphertext prefix": self.ciphertext[:_PREFIX],
            **{f"wrap for {agency}": wrap[:_PREFIX] for agency, wrap in self.wraps.items()},
        }


async def portions(live: Live) -> dict[tuple[AgencyId, bytes, str], Portion]:
    """Every portion of the run by (originator, manifest, name), from what the originators submitted."""
    found: dict[tuple[AgencyId, bytes, str], Portion] = {}
    canaries = dict(_canaries(live))
    for originator in live.agencies:
        leaves = [g for g in await live.leaves(originator) if isinstance(g, Admitted)]
        manifests = {(g.offset, g.entry): g.manifest for g in leaves}
        for message in await live.read(submit_topic(originator, live.prefix)):
            if message.offset not in {offset for offset, _ in manifests}:
                continue  # what was refused is nobody's
            for i, data in enumerate(parse_parcel(message.value).entries):
                entry = parse_submission_entry(data)
                if not isinstance(entry, RecordEntry) or (message.offset, i) not in manifests:
                    continue
                manifest = manifests[message.offset, i]
                audience = parse_broker_only(entry.broker_only).audience
                for at, slot in enumerate(entry.portions):
                    found[originator, manifest, slot.name] = Portion(
                        originator,
                        parse_manifest(entry.manifest).record_id,
                        manifest,
                        slot.salt,
                        slot.routing_salt,
                        slot.ciphertext,
                        {a.recipient: wraps_of(a, [at])[0] for a in audience if a.portions >> at & 1},
                        canaries.get((originator, manifest, slot.name)),
                    )
    return found


def _canaries(live: Live) -> Iterator[tuple[tuple[AgencyId, bytes, str], bytes]]:
    """A piece of each portion's text that no other portion has, from the originators' own stores."""
    texts: dict[tuple[AgencyId, bytes, str], list[str]] = {}
    for originator in live.agencies:
        for manifest, text in live.rows(originator, "SELECT manifest, portions FROM published"):
            assert isinstance(manifest, bytes)
            assert isinstance(text, str)
            for name, content in json.loads(text).items():
                texts[originator, manifest, name] = sorted(_texts(content), key=len, reverse=True)
    everything = "\n".join(text for of in texts.values() for text in of)
    for place, of in texts.items():
        pieces = (text[at : at + 2 * _CANARY] for text in of for at in range(0, len(text) - _CANARY, 4))
        for piece in pieces:
            if _PLAIN.fullmatch(piece) and everything.count(piece) == 1:
                yield place, piece.encode()
                break


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)


async def readable(live: Live, agency: AgencyId, *, committed: bool) -> bytes:
    """Every byte of every topic that the agency has the right to read, but for its own lane and ledger."""
    table = acl_table(live.agencies, 1, live.prefix)
    names = {g.name for g in table if (g.principal, g.resource, g.operation) == (agency, "topic", "READ")}
    own = {n for n in names if n.endswith((f"submit.{agency}", f"ledger.{agency}"))}
    assert {n for n in names - own if "deliver" in n} == {f"{live.prefix}deliver.{agency}"}
    data = b""
    for name in sorted(names - own):
        for message in await live.read(name, committed=committed):
            data += (message.key or b"") + message.value + b"".join(v for _, v in message.headers)
    return data


def files_of(folder: Path) -> bytes:
    """Every byte of every file below."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def rows_of(store: Path) -> bytes:
    """Every row of a store as text: what is in it, however its pages are cut."""
    with closing(sqlite3.connect(store)) as db:
        return "\n".join(db.iterdump()).encode()


async def test_no_trace(live: Live, cluster: Cluster) -> None:
    broker = await live.start_broker()
    share = RECORDS // len(live.agencies)
    nodes = await live.start_nodes([live.node(a, share, per_second=15.0, seed=4) for a in live.agencies])
    await more(live, 20, "work is going on")
    broker.kill()  # what it had written and not committed stays readable for careless readers
    await broker.wait()
    broker = await live.start_broker("successor")
    await assert_exact(live, share * len(live.agencies))
    assert await nodes.terminate() == 0
    assert await broker.terminate() == 0

    known = await portions(live)
    by_canary = [p.canary for p in known.values() if p.canary]
    assert len(by_canary) == len(set(by_canary))
    assert len(by_canary) > 0.9 * len(known)

    topics = {a: await readable(live, a, committed=False) for a in live.agencies}
    committed = {a: await readable(live, a, committed=True) for a in live.agencies}
    folders = {a: files_of(live.ceremony.agency(a)) for a in live.agencies}
    rows = {a: rows_of(live.store(a)) for a in live.agencies}
    elsewhere = files_of(live.folder / "logs") + files_of(live.ceremony.broker)
    elsewhere += b"".join(log.read_bytes() for log in cluster.log_files)

    withheld = released = 0
    holders: dict[tuple[AgencyId, bytes], set[AgencyId]] = {}
    told: list[tuple[Portion, AgencyId]] = []
    for lane, leaf, name, verdict, why in fates(await live.ledgers()):
        portion, recipient = known[lane, leaf.manifest, name], verdict.recipient
        if why is None:
            released += 1
            holders.setdefault((lane, leaf.manifest), set()).add(recipient)
            assert portion.ciphertext in committed[recipient]
            assert portion.salt in committed[recipient]
            assert portion.wraps[recipient] in committed[recipient]
            others = {a: w for a, w in portion.wraps.items() if a != recipient}
            assert [a for a, wrap in others.items() if wrap[:_PREFIX] in topics[recipient]] == []
            assert portion.routing_salt not in topics[recipient]
            assert portion.canary is None or portion.canary in rows[recipient]
        else:
            withheld += 1
            told.append((portion, recipient))
            found = [what for what, trace in portion.traces().items() if trace in topics[recipient]]
            assert found == [], f"{why}: {lane}'s {name} to {recipient}"
            if portion.canary is not None:
                assert portion.canary not in folders[recipient]
                assert portion.canary not in rows[recipient]
    assert withheld > 100
    assert released > 100

    # A record of which nothing is released: not even its name is there.
    silent = 0
    for portion, recipient in told:
        if recipient not in holders.get((portion.originator, portion.manifest), set()):
            silent += 1
            for data in (topics[recipient], folders[recipient]):
                assert portion.record_id not in data
                assert portion.manifest not in data
    assert silent > 50

    # No log has anything of any record, and neither has the broker; its originator has all of it.
    for portion in known.values():
        if portion.canary is not None:
            assert portion.canary not in elsewhere
            assert portion.canary in rows[portion.originator]
    # The raw files are searched in earnest: what is stored is found there too, where no page boundary cuts it.
    stored = [p.canary for p in known.values() if p.canary]
    in_files = sum(any(c in folders[a] for a in live.agencies) for c in stored)
    assert in_files > 0.8 * len(stored)
