"""New keys while everything runs: who must agree, which key is good when, and what was sealed before still opens."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agencies.drafting import Draft
from agencies.judging import Delivered, Judge, UnknownVersion
from agencies.keystore import OPENING, SIGNING, Keystore, OpeningKey, write_secret
from agencies.opening import Opener
from agencies.sealing import Control, Sealer
from broker.admission import open_window
from broker.lane import activate, fold
from broker.versions import make_version
from deploy.secretariat import propose_rotation
from schemas.arrangement import (
    AgencyKeys,
    Arrangement,
    ArrangementBody,
    ArrangementError,
    RetiringKey,
    SigningKey,
    countersign,
    propose,
    verify_successor,
)
from schemas.clock import IDENTITY_CLOCK
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.verdicts import Refused, Unopened
from tests.support import federation
from tests.support.members import members

M = members()
GB, FR, IT = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("it-pds")
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
UNTIL_MS = round(UNTIL.timestamp() * 1000)
NEW = SigningPair.generate()
OPENS = OpeningKey.generate()


def signed(data: bytes, *agencies: AgencyId) -> bytes:
    return countersign(data, {a: M.identities[a] for a in agencies})


def rotated(agency: AgencyId = IT, pair: SigningPair = NEW, key: OpeningKey = OPENS) -> Arrangement:
    data = propose_rotation(M.arrangement, agency, M.identities[agency], pair, key.public, UNTIL)
    return verify_successor(signed(data, *M.identities), M.arrangement)


def body(**keys: AgencyKeys) -> ArrangementBody:
    return M.arrangement.body.model_copy(
        update={
            "number": 1,
            "predecessor": M.arrangement.digest.hex(),
            "keys": {**M.arrangement.body.keys, **{a.replace("_", "-"): k for a, k in keys.items()}},
        }
    )


def test_both_keys_are_good_until_the_old_one_ends() -> None:
    after = rotated()
    new, old = NEW.public.key_id(M.domains), M.signing[IT].public.key_id(M.domains)
    for at_ms, good in ((UNTIL_MS - 1, True), (UNTIL_MS, False)):
        assert after.signs(IT, old, at_ms) is good
        assert after.signs(IT, new, at_ms)
    assert not M.arrangement.signs(IT, new, 0)
    assert not after.signs(FR, new, 0)


def test_an_end_that_was_set_is_the_old_keys_and_not_the_new_ones() -> None:
    ending = M.arrangement.directory.agency(GB).signing_until_ms
    assert ending is not None
    after = rotated(GB)
    assert not after.signs(GB, M.signing[GB].public.key_id(M.domains), ending)
    assert after.signs(GB, NEW.public.key_id(M.domains), ending)


def test_nobody_changes_another_agencys_keys() -> None:
    others = [a for a in M.identities if a != GB]
    data = propose_rotation(M.arrangement, GB, M.identities[GB], NEW, OPENS.public, UNTIL)
    bare = propose(verify_successor(signed(data, *M.identities), M.arrangement).body)
    with pytest.raises(ArrangementError, match="'gb-nca', which has not signed it"):
        verify_successor(signed(bare, *others), M.arrangement)
    with pytest.raises(ArrangementError, match="good signatures of"):
        verify_successor(data, M.arrangement)


def test_a_retiring_key_is_the_one_that_was_followed() -> None:
    issued = AgencyKeys.issue(M.domains, GB, M.identities[GB], NEW, OPENS.public)
    stranger = SigningKey.of(SigningPair.generate().public)
    entry = issued.model_copy(update={"retiring": RetiringKey(signing=stranger, until=UNTIL)})
    with pytest.raises(ArrangementError, match="not one that its new key follows"):
        verify_successor(signed(propose(body(gb_nca=entry)), *M.identities), M.arrangement)


def test_a_key_of_two_owners_is_refused() -> None:
    theirs = AgencyKeys.issue(M.domains, GB, M.identities[GB], M.signing[FR], OPENS.public)
    with pytest.raises(ArrangementError, match="share a signing key"):
        verify_successor(signed(propose(body(gb_nca=theirs)), *M.identities), M.arrangement)


def test_an_identity_stays() -> None:
    identity = SigningPair.generate()
    entry = AgencyKeys.issue(M.domains, GB, identity, NEW, OPENS.public)
    with pytest.raises(ArrangementError, match="changes the identities"):
        verify_successor(signed(propose(body(gb_nca=entry)), *M.identities), M.arrangement)


def window(sealer: Sealer) -> bytes:
    return sealer.seal_window([], [Control("receipt", bytes(16), b"")], 1)


def test_what_was_sealed_before_the_change_is_admitted_after_it_until_the_end() -> None:
    version = make_version(rotated())
    old = M.sealer(IT)
    new = M.sealer(IT)
    new.adopt(version.arrangement, NEW)
    for sealer, at_ms, expired in (
        (old, UNTIL_MS - 1, False),
        (old, UNTIL_MS, True),
        (new, UNTIL_MS, False),
    ):
        opened, _ = open_window(federation.message(window(sealer), 0), IT, version, at_ms)
        assert not isinstance(opened, Refused)
        assert opened.expired is expired


def test_without_a_retiring_key_the_old_one_ends_with_the_version() -> None:
    entry = AgencyKeys.issue(M.domains, GB, M.identities[GB], NEW, M.opening[GB].public)
    after = verify_successor(signed(propose(body(gb_nca=entry)), *M.identities), M.arrangement)
    opened, _ = open_window(federation.message(window(M.sealer(GB)), 0), GB, make_version(after), 0)
    assert opened is Refused.UNKNOWN_SIGNER


def parcels(record: Draft, arrangement: Arrangement, broker: SigningPair) -> list[bytes]:
    """What FR is given of one record of GB, sealed under a version."""
    sealer, lane = M.sealer(GB, SystemEntropy()), M.lane(GB)
    sealer.adopt(arrangement)
    federation.commit(lane, activate(lane, arrangement.digest, 0, IDENTITY_CLOCK, M.domains))
    versions = {**M.versions, arrangement.digest: make_version(arrangement)}
    folded = fold(lane, [federation.message(federation.parcel(sealer, [record]), 0)], versions)
    return replace(M, broker=broker).deliver((lane, folded))[FR]


def record_for_fr() -> Draft:
    """The first of GB's plan of which FR is given something."""
    return next(
        d for d in federation.drafts(GB, 40) if FR in M.delivered(GB, federation.parcel(M.sealer(GB), [d]))
    )


def test_each_opening_key_opens_what_was_sealed_to_it(tmp_path: Path) -> None:
    after = rotated(FR, M.signing[FR])
    write_secret(tmp_path / SIGNING, M.signing[FR].seeds())
    write_secret(tmp_path / OPENING, M.opening[FR].to_bytes())
    store = Keystore(tmp_path)
    record = record_for_fr()
    for arrangement, reasons in (
        (M.arrangement, set()),
        (after, {Unopened.BAD_CAPSULE}),
    ):
        judge = Judge(FR, M.arrangement, Opener(FR, M.domains, store), {})
        judge.learn(after)
        (parcel,) = parcels(record, arrangement, M.broker)
        assert {b.reason for b in judge.judge(Delivered(0, 0, parcel, True)).bad} == reasons
    store.add(M.domains, OPENS)
    for arrangement in (M.arrangement, after):
        judge = Judge(FR, M.arrangement, Opener(FR, M.domains, store), {})
        judge.learn(after)
        (parcel,) = parcels(record, arrangement, M.broker)
        judged = judge.judge(Delivered(0, 0, parcel, True))
        assert not judged.bad
        assert judged.received


def test_a_key_of_the_broker_that_was_not_read_yet_is_asked_for() -> None:
    (parcel,) = parcels(record_for_fr(), M.arrangement, NEW)
    judge = M.judge(FR)
    with pytest.raises(UnknownVersion):
        judge.judge(Delivered(0, 0, parcel, True), all_read=False)
    body = M.arrangement.body.model_copy(
        update={"number": 1, "predecessor": M.arrangement.digest.hex(), "broker": SigningKey.of(NEW.public)}
    )
    judge.learn(verify_successor(signed(propose(body), *M.identities), M.arrangement))
    judged = judge.judge(Delivered(0, 0, parcel, True), all_read=False)
    assert judged.received
    assert not judged.bad


def test_a_new_certificate_of_a_keystore_is_whole(tmp_path: Path) -> None:
    write_secret(tmp_path / SIGNING, M.signing[GB].seeds())
    write_secret(tmp_path / OPENING, M.opening[GB].to_bytes())
    store = Keystore(tmp_path)
    assert store.signing_pair(NEW.public) is None
    path = store.add(M.domains, NEW)
    assert path.stat().st_mode & 0o777 == 0o600
    found = store.signing_pair(NEW.public)
    assert found is not None
    assert found.public == NEW.public
    assert store.signing.public == M.signing[GB].public
    assert not list(tmp_path.glob("*.part"))
