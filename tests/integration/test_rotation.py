"""New signing, opening and TLS keys of an agency while records flow through it: nothing is lost, refused or doubled."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from agencies.keystore import Keystore, OpeningKey
from deploy.pki import write_tls
from deploy.secretariat import Secretariat, countersigned, propose_rotation, read_identities
from schemas.capsules import parse_capsule
from schemas.frames import parse_parcel
from schemas.keys import SigningPair
from schemas.ledger import Admitted, Quarantined
from schemas.seal import parse_seal
from schemas.topics import FEDERATION, submit_topic
from tests.integration.live import NCA, OLTIM, PDS, Live, assert_exact, more

RECORDS = 60
PACE = 8.0


@pytest_asyncio.fixture
async def secretariat(live: Live) -> AsyncIterator[Secretariat]:
    office = Secretariat.of(
        live.bootstrap, live.ceremony.tls(FEDERATION), live.admin_tls, live.prefix, live.arrangement
    )
    yield office
    await office.close()


async def test_all_keys_of_an_agency_are_new_and_nothing_is_lost(
    live: Live, secretariat: Secretariat
) -> None:
    await live.start_broker()
    host = await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    genesis = (await secretariat.refresh()).arrangement
    await more(live, 20, "records flow")

    store = Keystore(live.tls(OLTIM))
    pair, key = SigningPair.generate(), OpeningKey.generate()
    store.add(genesis.domains, pair)
    store.add(genesis.domains, key)
    write_tls(live.tls(OLTIM), live.authority.issue(OLTIM))
    identities = read_identities(live.folder, (NCA, OLTIM, PDS))
    until = datetime.now(UTC) + timedelta(hours=1)
    data = propose_rotation(genesis, OLTIM, identities[OLTIM], pair, key.public, until)
    standing = await secretariat.publish(countersigned(data, genesis, identities))
    await secretariat.activated(standing)
    await more(live, 20, "records flow under the new keys")
    await live.said(host, "a new certificate is shown")
    host.kill()
    await host.wait()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies], name="again")
    await assert_exact(live, RECORDS * len(live.agencies))

    seen = {id_: set[bytes]() for id_ in ("signers", "keys")}
    for agency in live.agencies:
        for message in await live.read(submit_topic(agency, live.prefix)):
            parcel = parse_parcel(message.value)
            if agency == OLTIM:
                seen["signers"].add(parse_seal(parcel.seals[0]).signer)
            seen["keys"] |= {
                c.recipient_key for c in map(parse_capsule, parcel.capsules) if c.recipient == OLTIM
            }
    old = genesis.body.keys[OLTIM]
    assert seen["signers"] == {p.key_id(genesis.domains) for p in (old.signing.public(), pair.public)}
    assert seen["keys"] == {p.key_id(genesis.domains) for p in (old.opening.public(), key.public)}
    leaves = await live.leaves(OLTIM)
    assert not [leaf for leaf in leaves if isinstance(leaf, Quarantined)]
    assert sum(isinstance(leaf, Admitted) for leaf in leaves) == RECORDS
    assert live.rows(OLTIM, "SELECT count(*) FROM quarantine") == [(0,)]
