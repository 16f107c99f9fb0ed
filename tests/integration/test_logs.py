"""No log of any process has content, keys or tokens in it: a whole exercise at debug level, its failures included.

Five agencies publish; broker and nodes are killed; a lane and a deliver topic are fed with what is bad; SQL refuses
what it is given, so that the errors which quote rows are really made; a host dies of one. Then every line is searched.
"""

import json
import re
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agencies.keystore import Keystore
from deploy.kafka.cluster import Cluster
from schemas.capsules import capsule_digest, capsule_info, parse_capsule
from schemas.commitments import wrap_binding
from schemas.envelope import (
    RecordEntry,
    parse_broker_only,
    parse_manifest,
    parse_submission_entry,
    parse_wrap_content,
)
from schemas.frames import BadFrame, parse_parcel
from schemas.hpke import SUITE
from schemas.ids import AgencyId
from schemas.ledger import Admitted
from schemas.topics import deliver_topic, submit_topic
from tests.integration.live import NCA, OLTIM, PDS, Live, more, until, writing
from tests.integration.test_bad_input import spoilt
from tests.integration.test_no_trace import files_of, portions

SHARE = 300
SAMPLE = 600  # of keys that are all made and used alike
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{16,}\.")
_FORGED = "\n2026-01-01 00:00:00,000 CRITICAL entente.broker all is lost\n"


def written(secret: bytes) -> Iterator[bytes]:
    """The ways in which bytes come into a line of text."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    # What stands around it shifts the groups of base64, so the middle of each alignment is searched.
    for shift in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(shift) + secret)[4:-4]
    yield repr(secret)[2:-1].encode()
    yield str(list(secret))[1:-1].encode()


def private_keys(live: Live) -> dict[str, bytes]:
    """Every private key of the federation: raw files whole and in halves, and the lines of PEM files."""
    found = {}
    for path in sorted(live.folder.rglob("*.key")):
        data = path.read_bytes()
        found[str(path)] = data
        found |= {f"{path}[{at}:]": data[at : at + 32] for at in range(0, len(data), 32)}
    for path in sorted(live.folder.rglob("*.pem")):
        text = path.read_text()
        if "PRIVATE KEY" in text:
            body = text.split("PRIVATE KEY-----")[1].split("-----END")[0]
            found |= {
                f"{path} line {n}": line.encode() for n, line in enumerate(body.split()) if len(line) > 24
            }
    assert len(found) > 50
    return found


async def data_keys(live: Live) -> set[bytes]:
    """Every data key and key-encryption key of the run, opened with the recipients' own keys."""
    domains = live.arrangement.domains
    keystores = {a: Keystore(live.tls(a)) for a in live.agencies}
    found: set[bytes] = set()
    for originator in live.agencies:
        keks: dict[bytes, AESGCM] = {}
        for message in await live.read(submit_topic(originator, live.prefix)):
            try:
                parcel = parse_parcel(message.value)
                entries = [parse_submission_entry(data) for data in parcel.entries]
            except BadFrame:
                continue
            for data in parcel.capsules:
                c = parse_capsule(data)
                if c.originator != originator:
                    continue
                info = capsule_info(domains, c.originator, c.recipient, c.recipient_key, c.epoch)
                key = SUITE.decrypt(c.sealed, keystores[AgencyId(c.recipient)].opening.hpke, info)
                found.add(key)
                keks[capsule_digest(domains, data)] = AESGCM(key)
            for entry in entries:
                if isinstance(entry, RecordEntry):
                    found |= set(_deks(live, originator, entry, keks))
    return found


def _deks(live: Live, originator: AgencyId, entry: RecordEntry, keks: dict[bytes, AESGCM]) -> Iterator[bytes]:
    manifest = parse_manifest(entry.manifest)
    bindings = [wrap_binding(live.arrangement.domains, commitment) for commitment in manifest.commitments]
    for addressee in parse_broker_only(entry.broker_only).audience:
        if manifest.originator != originator or addressee.capsule not in keks:
            continue
        for wrap in addressee.wraps:
            for nonce, associated in bindings:  # which of them is the portion's, its own key tells
                try:
                    yield parse_wrap_content(keks[addressee.capsule].decrypt(nonce, wrap, associated)).dek
                except Exception:  # noqa: S112 - another commitment
                    continue


async def exercise(live: Live) -> None:
    """What goes well and what does not."""
    broker = await live.start_broker()
    others = [live.node(a, SHARE, 8, seed=5) for a in live.others(OLTIM)]
    nodes = await live.start_nodes(others)
    oltim = await live.start_nodes([live.node(OLTIM, SHARE, 8, seed=5)], "oltim")
    await more(live, 30, "work is going on")
    broker.kill()
    nodes.kill()
    broker = await live.start_broker("successor")
    nodes = await live.start_nodes(others, "again")
    # SQL that refuses rows: what the driver and SQLAlchemy say of it quotes them.
    with closing(sqlite3.connect(live.store(PDS), timeout=30)) as db:
        db.execute("CREATE TRIGGER no BEFORE INSERT ON portions BEGIN SELECT RAISE(ABORT, 'refused'); END")
        db.commit()
        await until(lambda: "inbox reads again" in nodes.said(), "the inbox was refused")
        db.execute("DROP TRIGGER no")
        db.commit()
    with closing(sqlite3.connect(live.store(OLTIM), timeout=30)) as db:
        db.execute("CREATE TRIGGER no BEFORE INSERT ON published BEGIN SELECT RAISE(ABORT, 'refused'); END")
        db.commit()
    assert await oltim.wait(90) == 1
    # What is bad, in a lane and in a deliver topic; and text that would like to be a line.
    async with writing(live.bootstrap, live.tls(NCA)) as producer:
        for value, key, headers, _ in spoilt(live):
            await producer.send_and_wait(
                submit_topic(NCA, live.prefix), value, key=key, headers=headers, partition=0
            )
    async with writing(live.bootstrap, live.broker_tls) as producer:
        for value in (_FORGED.encode(), b"", b"ENTENTE\x01" + _FORGED.encode()):
            await producer.send_and_wait(
                deliver_topic(PDS, live.prefix),
                value,
                key=_FORGED.encode(),
                headers=[(_FORGED, b"x")],
                partition=0,
            )
    await until(lambda: len(live.rows(PDS, "SELECT 1 FROM quarantine")) >= 3, "what is bad is in quarantine")
    await more(live, 10, "the others go on")
    assert await nodes.terminate() == 0
    assert await broker.terminate() == 0


@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_log_has_content(
    live: Live, cluster: Cluster, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTENTE_LOG", form)
    monkeypatch.setenv("ENTENTE_LOG_LEVEL", "debug")
    await exercise(live)
    logs = files_of(live.folder / "logs") + b"".join(log.read_bytes() for log in cluster.log_files)

    known = await portions(live)
    canaries = [p.canary for p in known.values() if p.canary]
    assert len(canaries) > 100
    assert [c for c in canaries if c in logs] == []
    for what, secret in private_keys(live).items():
        assert [w for w in written(secret) if w in logs] == [], what
    keys = await data_keys(live)
    assert len(keys) > 100
    assert sum(1 for key in sorted(keys)[:SAMPLE] for w in written(key) if w in logs) == 0
    assert _TOKEN.search(logs) is None
    # Ciphertext, salts and labels are nobody's who reads a log.
    labels = {
        data
        for ledger in (await live.ledgers()).values()
        for leaf in ledger.leaves
        if isinstance(leaf, Admitted)
        for p in leaf.portions
        for data in (p.handling, p.routing)
        if len(data) > 8
    }
    assert len(labels) > 5
    bytes_of_records = [data for p in known.values() for data in (p.salt, p.routing_salt, p.ciphertext[:32])]
    for secret in (*labels, *bytes_of_records[:SAMPLE]):
        assert not any(w in logs for w in written(secret))

    # The search is in earnest: there are logs at debug level, and the failures are in them.
    said = logs.decode("utf-8", "replace")
    for word in ("committed:", "in the log", "inbox reads again (IntegrityError: refused)", "stored"):
        assert word in said
    assert "ended by an error" in (live.folder / "logs" / "oltim.log").read_text()
    assert_lines(live.folder / "logs", form)


def assert_lines(folder: Path, form: str) -> None:
    """Each line is one that we wrote; no text has made another one."""
    count = 0
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text().splitlines():
            if line == "ready":
                continue
            count += 1
            assert "all is lost" not in line
            assert line.isprintable()
            if form == "json":
                found = json.loads(line)
                assert {"time", "level", "logger", "event"} <= set(found)
                assert set(found) <= {
                    "time", "level", "logger", "event", "agency", "shard", "lane", "offset", "trace"
                }  # fmt: skip
            else:
                assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z_.]+ ", line), line
    assert count > 50
