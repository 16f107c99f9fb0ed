"""The access table as data: what it grants, and above all what it does not."""

import pytest

from schemas.ids import AgencyId
from schemas.topics import (
    AUDITOR,
    BROKER,
    FEDERATION,
    Grant,
    acl_table,
    arrangement_topic,
    deliver_topic,
    lanes_topic,
    ledger_topic,
    submit_topic,
    topics,
    transactional_id,
)

GB, FR, XA = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("xa-np")
AGENCIES = (GB, FR, XA)
TABLE = acl_table(AGENCIES, 2)


def who(operation: str, topic: str, table: tuple[Grant, ...] = TABLE) -> set[str]:
    return {grant.principal for grant in table if (grant.operation, grant.name) == (operation, topic)}


def test_only_the_originator_writes_its_lane_and_no_partner_reads_it() -> None:
    assert who("WRITE", submit_topic(GB)) == {GB}
    assert who("READ", submit_topic(GB)) == {GB, BROKER, AUDITOR}


def test_only_the_recipient_reads_what_is_delivered_to_it() -> None:
    assert who("READ", deliver_topic(GB)) == {GB}
    assert who("WRITE", deliver_topic(GB)) == {BROKER}


def test_a_ledger_is_written_by_the_broker_and_read_by_its_originator_the_auditor_and_the_broker() -> None:
    assert who("WRITE", ledger_topic(GB)) == {BROKER}
    assert who("READ", ledger_topic(GB)) == {GB, AUDITOR, BROKER}


def test_state_is_the_brokers_alone() -> None:
    assert {grant.principal for grant in TABLE if grant.name == lanes_topic(1)} == {BROKER}


def test_the_arrangement_is_written_by_the_federation_and_read_by_all() -> None:
    assert who("WRITE", arrangement_topic()) == {FEDERATION}
    assert who("READ", arrangement_topic()) == {*AGENCIES, BROKER, AUDITOR, FEDERATION}


def test_who_reads_or_writes_may_also_describe() -> None:
    # Without it a reader waits for ever and no error says why.
    for grant in TABLE:
        assert Grant(grant.principal, grant.resource, grant.name, "DESCRIBE", grant.prefixed) in TABLE


def test_transactional_ids_are_the_brokers_and_each_falls_under_its_grant() -> None:
    granted = [grant for grant in TABLE if grant.resource == "transactional_id"]
    assert {(grant.principal, grant.operation, grant.prefixed) for grant in granted} == {
        (BROKER, "WRITE", True),
        (BROKER, "DESCRIBE", True),
    }
    assert all(transactional_id(shard).startswith(grant.name) for shard in range(12) for grant in granted)


def test_no_grant_names_a_topic_that_does_not_exist_and_every_topic_has_a_reader_and_a_writer() -> None:
    names = {topic.name for topic in topics(AGENCIES, 2)}
    assert {grant.name for grant in TABLE if grant.resource == "topic"} == names
    assert all(who("READ", name) and who("WRITE", name) for name in names)


def test_a_prefix_makes_a_set_of_its_own() -> None:
    with_prefix = acl_table(AGENCIES, 2, "t1.")
    assert not {grant.name for grant in with_prefix} & {grant.name for grant in TABLE}
    assert not any(transactional_id(0, "t2.").startswith(g.name) for g in with_prefix if g.prefixed)


def test_the_tables_do_not_change_between_calls_nor_repeat_themselves() -> None:
    assert acl_table(AGENCIES, 2) == TABLE
    assert len(set(TABLE)) == len(TABLE)
    assert topics(AGENCIES, 2) == topics(AGENCIES, 2)


def test_partitions_and_configuration() -> None:
    found = {topic.name: topic for topic in topics(AGENCIES, 3)}
    assert len(found) == 1 + 3 + 3 * len(AGENCIES)
    assert {name: topic.partitions for name, topic in found.items() if topic.partitions != 1} == {
        deliver_topic(agency): 3 for agency in AGENCIES
    }
    for topic in found.values():
        config = dict(topic.config)
        assert config["message.timestamp.type"] == "LogAppendTime"
        assert config["retention.ms"] == "-1"
        assert config["compression.type"] == "producer"  # no server takes a batch apart in its own heap
        assert (config["cleanup.policy"] == "compact") == (".lanes." in f".{topic.name}")


@pytest.mark.parametrize("name", [BROKER, FEDERATION, AUDITOR, "admin", "node"])
def test_an_agency_cannot_take_the_name_of_a_service(name: str) -> None:
    with pytest.raises(ValueError, match="no agency can be named"):
        acl_table((GB, AgencyId(name)), 1)
