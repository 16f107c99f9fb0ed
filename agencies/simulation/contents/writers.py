"""How the functions of the kinds say what they write, and what several of them write alike."""

from collections.abc import Callable
from random import Random
from typing import Final

from agencies.simulation.story import Story
from agencies.simulation.world import pooled
from schemas.codes import PortionName
from schemas.model import Model
from schemas.records.particulars import Account, Money, Payment

Writers = dict[PortionName, Callable[[Random], Model]]

BASE, SOURCES, PERSONS = PortionName.BASE, PortionName.SOURCES, PortionName.PERSONS
FINANCIAL, REFERRAL, REMOVAL = PortionName.FINANCIAL, PortionName.REFERRAL, PortionName.REMOVAL

_METHODS: Final = (
    "observation",
    "informant",
    "lawful interception",
    "customs data",
    "examination of a telephone",
)


def how(story: Story, random: Random) -> dict[str, str]:
    """The fields of a sources portion."""
    return {"method": random.choice(_METHODS), "detail": story.text(random, "source", 1500)}


def euros(amount: int) -> Money:
    return Money.model_validate({"amount": amount, "currency": "EUR"})


def accounts(story: Story, random: Random) -> tuple[Account, ...]:
    """The account of the story, and at times another."""
    return (
        story.account,
        *(story.world.account(pooled(random, "account")) for _ in range(random.choice((0, 1, 1)))),
    )


def payments(story: Story, random: Random, between: tuple[Account, ...]) -> tuple[Payment, ...]:
    """What came in on the story's account, from another or from nobody knows where."""
    debtor = between[1] if len(between) > 1 else None
    return tuple(
        Payment(
            debtor=debtor,
            creditor=story.account,
            amount=euros(random.randrange(200, 9000, 50)),
            paid_at=story.seen,
            reference=random.choice((None, "used car", "invoice 2041", "family support", "goods as agreed")),
        )
        for _ in range(random.randrange(1, 5))
    )
