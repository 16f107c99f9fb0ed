"""From a leaf and the rulings that it names to each pair's outcome with its reason. Pure; says what was decided."""

from broker.policy.foreseeing import Foreseen, foreseen_by
from schemas.ledger import Admitted, LedgerPortion
from schemas.rulings import Ruling


def outcomes(leaf: Admitted, portion: LedgerPortion, ruling: Ruling) -> tuple[Foreseen, ...]:
    """A portion's outcome for each other agency that was active then, in the order of their ids."""
    still = set(portion.audience) - set(portion.departed)
    return tuple(foreseen_by(ruling.verdict(agency), agency in still) for agency in leaf.active)
