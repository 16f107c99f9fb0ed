"""Who a portion is released to by its originator: releasable-to, expanded at an instant.

One function for both sides: the sealer makes wraps for exactly this audience, and admission refuses a
record whose audience differs from it. The sender, the suspended and those barred by the gate are out.

Answers are remembered with the directory, by the parsed values they rest on and by the epoch of the instant: a
busy originator asks the same few questions for every record.
"""

from functools import lru_cache

from schemas.directory import Directory
from schemas.envelope import MAX_PORTIONS
from schemas.gate import barred, protected
from schemas.ids import AgencyId
from schemas.labels import Label, Routing, home_of

_REMEMBERED = 50_000
_GROUPINGS = 4096
_PLACES = tuple(tuple(i for i in range(MAX_PORTIONS) if bits >> i & 1) for bits in range(1 << MAX_PORTIONS))


def named_officers(label: Label, recipient: str) -> tuple[str, ...]:
    """The recipient's own officers named in the routing, in order."""
    if not label.routing.officers:
        return ()
    return tuple(sorted(o for o in label.routing.officers if home_of(o) == recipient))


def addressed(label: Label, originator: str, directory: Directory, at_ms: int) -> frozenset[AgencyId]:
    """Agencies that the routing names, directly, by community or by officer, less the sender and the suspended.

    Raises: `KeyError` if the routing names an id that the directory does not have.
    """
    key = (label.routing, originator, directory.epoch_of(at_ms))
    found = directory.audiences.get(key)
    if found is None:
        found = _remember(directory, key, _addressed(label.routing, originator, directory, at_ms))
    return found


def _addressed(routing: Routing, originator: str, directory: Directory, at_ms: int) -> frozenset[AgencyId]:
    named: set[AgencyId] = {directory.agency(a).id for a in routing.agencies}
    for community in routing.communities:
        named |= directory.members(community, at_ms)
    for officer in routing.officers:
        if directory.posted(officer, at_ms):
            named.add(home_of(officer))
    named.discard(AgencyId(originator))
    return frozenset(a for a in named if not directory.suspended(a, at_ms))


def audience(
    label: Label, bears_persons: bool, originator: str, directory: Directory, at_ms: int
) -> frozenset[AgencyId]:
    """`addressed`, less those that the protection gate bars. Raises: `KeyError` as `addressed` does."""
    if not bears_persons or not protected(label.handling):
        return addressed(label, originator, directory, at_ms)
    key = (label.routing, originator, directory.epoch_of(at_ms), label.handling.origins)
    found = directory.audiences.get(key)
    if found is None:
        open_to = frozenset(
            a
            for a in addressed(label, originator, directory, at_ms)
            if not barred(True, label.handling, directory.exposed_states(a, at_ms, named_officers(label, a)))
        )
        found = _remember(directory, key, open_to)
    return found


def places_of(portions: int) -> tuple[int, ...]:
    """The places of the portions that a recipient may have, as `by_recipient` gives them."""
    return _PLACES[portions]


@lru_cache(_GROUPINGS)
def by_recipient(audiences: tuple[frozenset[AgencyId], ...]) -> tuple[tuple[AgencyId, int], ...]:
    """Who gets which portions, sorted by recipient: bit i stands for the i-th audience."""
    portions: dict[AgencyId, int] = {}
    for i, recipients in enumerate(audiences):
        for recipient in recipients:
            portions[recipient] = portions.get(recipient, 0) | 1 << i
    return tuple(sorted(portions.items()))


def _remember(directory: Directory, key: object, value: frozenset[AgencyId]) -> frozenset[AgencyId]:
    if len(directory.audiences) >= _REMEMBERED:
        directory.audiences.clear()
    directory.audiences[key] = value
    return value
