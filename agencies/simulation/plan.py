"""A seeded plan: the n-th record of an agency, of a kind and with labels as one of its analysts might choose.

- Draft n of an agency depends on (seed, agency, n) alone: a node that restarts goes on with the next one, and
  another agency in the cast changes nothing.
- Labels are set as a busy analyst would: mostly right, sometimes wider than the rules or the gate allow.
  That is what the two locks are for.
- Every person, number and event is invented.
"""

from random import Random

from agencies.drafting import Draft
from agencies.simulation.habits import usual_kind
from agencies.simulation.script import Act, acted_draft
from schemas.clock import Clock
from schemas.directory import Directory
from schemas.entropy import Entropy
from schemas.ids import AgencyId


def planned_draft(
    agency: AgencyId, directory: Directory, seed: int, index: int, clock: Clock, entropy: Entropy
) -> Draft:
    """The draft number `index` of the agency's plan. Record id and creation are fresh, all else is seeded."""
    name = f"plan-{index}"
    random = Random(f"{seed}/{agency}/{name}/kind")  # noqa: S311  # a simulation wants a seeded generator
    kind = usual_kind(random, directory.agency(agency).role)
    act = Act(name=name, agency=agency, at_ms=clock.now_ms(), kind=kind)
    return acted_draft(act, directory, seed, clock, entropy)
