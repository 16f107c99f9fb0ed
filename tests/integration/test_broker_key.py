"""A new signing key of the broker while records flow: nothing is lost, refused or doubled, and every seal verifies."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from agencies.keystore import write_secret
from broker.keystore import later_file
from broker.rounds import sealed_note
from deploy.secretariat import Secretariat, countersigned, propose_broker_key, read_identities
from deploy.verify.files import ledger_report, parcel_report
from schemas.arrangement import Arrangement
from schemas.envelope import HeadEntry, parse_deliver_entry
from schemas.exports import CheckpointFile
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.seal import parse_seal
from schemas.topics import FEDERATION, deliver_topic
from tests.integration.live import NCA, OLTIM, PDS, Live, assert_exact, begun, more, until

RECORDS = 100
PACE = 8.0


@pytest_asyncio.fixture
async def secretariat(live: Live) -> AsyncIterator[Secretariat]:
    office = Secretariat.of(
        live.bootstrap, live.ceremony.tls(FEDERATION), live.admin_tls, live.prefix, live.arrangement
    )
    yield office
    await office.close()


def named(live: Live, current: Arrangement, pair: SigningPair) -> bytes:
    """The version that names the pair, signed by enough members."""
    data = propose_broker_key(current, pair.public)
    return countersigned(data, current, read_identities(live.folder, (NCA, OLTIM, PDS)))


def keep(live: Live, pair: SigningPair) -> None:
    """Put the pair into the broker's folder."""
    write_secret(live.broker_tls / later_file(pair.public.key_id(live.arrangement.domains)), pair.seeds())


async def head_signers(live: Live, recipient: AgencyId) -> list[bytes]:
    """Who signed each of a recipient's heads, in the order of delivery."""
    found = []
    for message in await live.read(deliver_topic(recipient, live.prefix)):
        parcel = parse_parcel(message.value)
        heads = [e for e in map(parse_deliver_entry, parcel.entries) if isinstance(e, HeadEntry)]
        found += [parse_seal(parcel.seals[head.seal]).signer for head in heads]
    return found


def assert_nothing_complained(live: Live) -> None:
    for agency in live.agencies:
        assert live.rows(agency, "SELECT reason FROM quarantine") == []
        assert [
            alarm for (alarm,) in live.rows(agency, "SELECT alarm FROM alarms") if alarm != "silence"
        ] == []


async def assert_verified(live: Live, versions: tuple[bytes, ...], folder: Path) -> None:
    """Every parcel to one agency, and every checkpoint of every ledger, by public keys alone."""
    pin, folder = live.arrangement.digest, folder / "evidence"
    folder.mkdir()
    for message in await live.read(deliver_topic(OLTIM, live.prefix)):
        file = folder / f"parcel-{message.offset}"
        file.write_bytes(message.value)
        report = parcel_report(file, versions, pin, OLTIM)
        assert report.good, [check for check in report.checks if not check.held]
    for lane, ledger in (await live.ledgers()).items():
        for number, entry in enumerate(ledger.checkpoints):
            file = folder / f"{lane}-{number}.json"
            file.write_text(CheckpointFile.of(lane, sealed_note(entry)).model_dump_json())
            assert ledger_report(file, versions, pin).good


async def test_the_brokers_key_is_new_and_nothing_is_lost(
    live: Live, secretariat: Secretariat, tmp_path: Path
) -> None:
    live.heads_every_s = 1.0
    worker = await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    genesis = (await secretariat.refresh()).arrangement
    await begun(live, 20, "records flow")
    pair = SigningPair.generate()
    keep(live, pair)
    version = named(live, genesis, pair)
    await secretariat.activated(await secretariat.publish(version))
    await more(live, 20, "records flow under the new key")
    worker.kill()
    await worker.wait()
    await live.start_broker("again")
    await assert_exact(live, RECORDS * len(live.agencies))

    old, new = (p.key_id(genesis.domains) for p in (genesis.body.broker.public(), pair.public))
    for agency in live.agencies:
        signers = await head_signers(live, agency)
        turn = signers.index(new)
        assert turn > 0
        assert (set(signers[:turn]), set(signers[turn:])) == ({old}, {new})
    assert_nothing_complained(live)

    async def signed_by_the_new() -> bool:
        """The last checkpoint of every ledger, though it may have been at rest by then."""
        ledgers = (await live.ledgers()).values()
        return all(parse_seal(ledger.checkpoints[-1].seal).signer == new for ledger in ledgers)

    await until(signed_by_the_new, "every ledger is signed by the new key")
    assert [a.differences for a in await live.audit()] == [[] for _ in live.agencies]
    await assert_verified(live, (live.ceremony.genesis, version), tmp_path)


async def test_a_key_that_is_not_there_stops_the_broker_and_nothing_is_lost(
    live: Live, secretariat: Secretariat
) -> None:
    worker = await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    genesis = (await secretariat.refresh()).arrangement
    await begun(live, 20, "records flow")
    pair = SigningPair.generate()
    standing = await secretariat.publish(named(live, genesis, pair))
    assert await worker.wait(240) == 6, worker.last_words()
    said = "the arrangement's key for the broker in version 1 is not in its key folder: expected there as"
    assert said in worker.said()
    assert "Traceback" not in worker.said()

    owned = await live.generation()
    again = live.start("too-early", "broker", live.broker_settings("too-early"))
    assert await again.wait(240) == 6
    assert said in again.said()
    assert await live.generation() == owned, "who cannot sign owns nothing"

    keep(live, pair)
    await live.start_broker("then")
    await secretariat.activated(standing)
    await assert_exact(live, RECORDS * len(live.agencies))
    assert_nothing_complained(live)
    new = pair.public.key_id(genesis.domains)
    for agency in live.agencies:
        assert (await head_signers(live, agency))[-1] == new
