"""Synthetic federations of any size for decisions: a directory and sharing rules, made by a seeded generator.

- Agencies have roles, states and exposures; a tenth as many communities have ten members each.
- Rules are of the allowed subset and of the shapes of the shipped ones: on kind, portion, purposes, markings, roles,
  communities, named agencies. A tenth permit; every tenth names a community. No rule is a copy of another.
- No rule reads the evaluation of the source, so two labels that differ in it alone are one to the rules.
"""

from collections.abc import Iterator, Mapping
from random import Random

from deploy.arrangements import SHIPPED
from schemas.codes import AgencyRole, Caveat, HandlingCode, Kind, PortionName, Purpose, State, Tlp
from schemas.directory import Agency, Community, Directory, Membership
from schemas.ids import AgencyId, CommunityId

_ROLES = {
    AgencyRole.POLICE: 12,
    AgencyRole.BORDER: 3,
    AgencyRole.FINANCIAL: 2,
    AgencyRole.UNION_BODY: 1,
    AgencyRole.SOURCE_STATE: 2,
}
_MEMBERS = 10
_A_FILE = 100  # rules
_HEAD = '(principal is Agency, action == Action::"receive", resource is Portion)'
_WHO = '[AgencyRole::"police", AgencyRole::"border", AgencyRole::"financial", AgencyRole::"union_body"]'


def directory(agencies: int) -> Directory:
    """So many agencies; the first is a police agency."""
    random = Random(f"directory {agencies}")  # a simulation wants a seeded generator
    states, roles = list(State), random.choices(list(_ROLES), list(_ROLES.values()), k=agencies)
    roles[0] = AgencyRole.POLICE
    ids = [AgencyId(f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}-n{n:04d}") for n in range(agencies)]
    members = [
        Agency(
            id=agency,
            name=f"Agency number {n}, invented",
            role=role,
            states=frozenset({random.choice(states)}),
            exposed_states=frozenset(random.sample(states, random.choice((0, 0, 1, 2)))),
        )
        for n, (agency, role) in enumerate(zip(ids, roles, strict=True))
    ]
    communities = [
        Community(
            id=CommunityId(f"team-{n}"),
            name=f"Team number {n}, invented",
            members=tuple(Membership(agency=a) for a in random.sample(ids, min(_MEMBERS, agencies))),
        )
        for n in range(max(3, agencies // 10))
    ]
    return Directory(agencies=tuple(members), communities=tuple(communities))


def rules(count: int, members: Directory) -> Mapping[str, str]:
    """So many rules, as the text of files."""
    random = Random(f"rules {count}")  # a simulation wants a seeded generator
    written: dict[str, None] = {}
    for condition in _conditions(random, [c.id for c in members.communities]):
        written[condition] = None
        if len(written) == count:
            break
    texts = [_rule(n, condition, permit=n % 10 == 0) for n, condition in enumerate(written)]
    return {
        f"rules-{at // _A_FILE:02d}.cedar": "\n".join(texts[at : at + _A_FILE])
        for at in range(0, count, _A_FILE)
    }


def schema() -> str:
    """The shipped schema: a closed list is the same everywhere."""
    return (SHIPPED / "g7" / "schema.cedarschema").read_text()


def _rule(number: int, condition: str, *, permit: bool) -> str:
    """A permit is for whom the label names; a forbid spares them, so that there is something to weigh."""
    annotations = f'@id("rule-{number}")\n@reason("Invented for measuring.")\n@legal_basis("None.")\n'
    if permit:
        return (
            f"{annotations}permit {_HEAD}\nwhen {{ {_WHO}.contains(principal.role) &&\n"
            f"  principal in resource.to_agencies && !({condition}) }};\n"
        )
    return f"{annotations}forbid {_HEAD}\nwhen {{ {condition} }}\nunless {{ principal in resource.to_agencies }};\n"


def _conditions(random: Random, communities: list[CommunityId]) -> Iterator[str]:
    """Conditions without end; some come again."""
    number = 0
    while True:
        number += 1
        parts = [
            f'resource.kind == Kind::"{random.choice(list(Kind))}"',
            f'resource.name == PortionName::"{random.choice(list(PortionName))}"',
            f'resource.purposes.contains(Purpose::"{random.choice(list(Purpose))}")',
            f'resource.tlp == Tlp::"{random.choice(list(Tlp))}"',
            f'resource.handling_codes.contains(HandlingCode::"{random.choice(list(HandlingCode))}")',
            f'resource.caveats.contains(Caveat::"{random.choice(list(Caveat))}")',
            f'principal.role == AgencyRole::"{random.choice(list(_ROLES))}"',
            f'principal.states.contains(State::"{random.choice(list(State))}")',
        ]
        chosen = random.sample(parts, random.choice((2, 3, 3, 4)))
        if number % 10 == 0:
            chosen.append(f'principal in Community::"{random.choice(communities)}"')
        yield " && ".join(chosen)
