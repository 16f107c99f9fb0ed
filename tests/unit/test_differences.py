"""What a new version changes, in lines for those who are to sign it."""

from datetime import UTC, datetime

from broker.policy.differences import differences
from schemas.directory import Community, Membership, Suspension
from schemas.ids import AgencyId, CommunityId
from tests.support.members import members

BODY = members().arrangement.body
RULE = '@id("new-rule") @reason("Nobody gets anything.") @legal_basis("none")\n'
RULE += 'forbid (principal is Agency, action == Action::"receive", resource is Portion);\n'


def test_nothing_changed_is_no_line() -> None:
    assert differences(BODY, BODY.model_copy()) == []


def test_comments_and_layout_of_rules_do_not_count() -> None:
    spaced = {name: "// a comment\n" + text for name, text in BODY.policies.items()}
    assert differences(BODY, BODY.model_copy(update={"policies": spaced})) == []


def test_each_thing_that_changes_is_a_line() -> None:
    directory = BODY.directory
    first = directory.agencies[0].model_copy(update={"signing_until": datetime(2030, 1, 1, tzinfo=UTC)})
    team = Community(id=CommunityId("jit-new"), name="New", members=(Membership(agency=AgencyId("gb-nca")),))
    changed = directory.model_copy(
        update={
            "agencies": (first, *directory.agencies[1:]),
            "officers": directory.officers[1:],
            "communities": (*directory.communities, team),
            "suspensions": (Suspension(agency=AgencyId("xa-np"), reason="review"),),
        }
    )
    policies = {**BODY.policies, "sharing/new.cedar": RULE}
    found = differences(
        BODY, BODY.model_copy(update={"directory": changed, "policies": policies, "threshold": 4})
    )
    assert found[0] == "signatures needed: 3 -> 4"
    for begin in (
        f"agency '{first.id}' changes: police of GB; exposed to no other; signing key until 2030-01-01 00:00:00",
        "new community 'jit-new': gb-nca; from any time to open",
        f"officer '{directory.officers[0].id}' ends",
        "new suspension of 'xa-np, from any time to open': review",
        "new rule 'new-rule': Nobody gets anything.",
    ):
        assert any(line.startswith(begin) for line in found), (begin, found)
