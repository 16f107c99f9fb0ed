"""A directory and a way to load a rule or two against the schema of `g7-small`."""

from broker.policy import Policy, PolicyError, load_policy
from deploy.arrangements import SHIPPED
from schemas.codes import AgencyRole, State
from schemas.directory import Agency, Community, Directory, Membership
from schemas.ids import AgencyId, CommunityId

SCHEMA = (SHIPPED / "g7-small" / "schema.cedarschema").read_text()

DIRECTORY = Directory(
    agencies=(
        Agency(id=AgencyId("gb-nca"), name="NCA", role=AgencyRole.POLICE, states=frozenset({State("GB")})),
        Agency(
            id=AgencyId("fr-oltim"), name="OLTIM", role=AgencyRole.POLICE, states=frozenset({State("FR")})
        ),
    ),
    communities=(
        Community(id=CommunityId("team"), name="Team", members=(Membership(agency=AgencyId("gb-nca")),)),
    ),
)

ANNOTATIONS = '@id("the-rule")\n@reason("why")\n@legal_basis("law")\n'
SCOPE = '(principal, action == Action::"receive", resource)'


def rule(condition: str, effect: str = "permit", scope: str = SCOPE) -> str:
    """A rule whose condition stands in its fifth line."""
    return f"{ANNOTATIONS}{effect} {scope}\nwhen {{ {condition} }};\n"


def load(text: str, schema: str = SCHEMA) -> Policy:
    """`text` as the file `a.cedar`."""
    return load_policy({"a.cedar": text}, schema, DIRECTORY)


def refusal(text: str, schema: str = SCHEMA) -> PolicyError:
    """The error that loading must end in."""
    try:
        load(text, schema)
    except PolicyError as error:
        return error
    raise AssertionError("the policy was loaded")
