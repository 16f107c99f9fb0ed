"""Texts as intelligence reporting has them: what was seen, what it connects to, what is not known, what should follow.

- A text is made of sentences on its topic, of others on the setting as it gets longer, and of a close; short texts are
  more frequent than long ones. No sentence stands twice in a text.
- All portions of a record tell the same facts, which are the story's.
"""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from agencies.simulation.sentences import ASIDES, CLOSES, GAPS, TOPICS

SHORTEST: Final = 100
LONGEST: Final = 4000
_USUAL: Final = 380
_PARAGRAPH: Final = 560

#: Topics on which nothing is said by the way: what a witness tells, and what the writer knows nothing more about.
_PLAIN: Final = frozenset(
    {
        "account",
        "assessment",
        "connection",
        "deployment",
        "expertise",
        "hit",
        "needs",
        "no_hit",
        "offender",
        "protected",
        "reasons",
        "refused",
        "removal",
        "request",
        "return",
    }
)
_WORDS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine")


def report(random: Random, topic: str, facts: Mapping[str, str], longest: int = LONGEST) -> str:
    """A text on the topic, of 100 to `longest` characters. Raises: `KeyError` for an unknown topic."""
    usual = min(_USUAL, longest)
    aim = math.exp(random.triangular(math.log(SHORTEST + 20), math.log(longest), math.log(usual)))
    close = aim > usual and topic not in _PLAIN
    last = [_told(random, random.choice(pool), facts) for pool in (GAPS, CLOSES)] if close else []
    size = sum(len(sentence) + 2 for sentence in last)
    told: list[str] = []
    for sentence in _order(random, topic):
        more = _told(random, sentence, facts)
        if size + len(more) > longest or (told and size >= SHORTEST and size + len(more) / 2 > aim):
            break
        told.append(more)
        size += len(more) + 2
    return _paragraphs([*told, *last])


def _told(random: Random, sentence: str, facts: Mapping[str, str]) -> str:
    few = random.choice(_WORDS)
    return sentence.format_map(
        {**facts, "n": str(random.randrange(11, 70)), "few": few, "few_up": few.capitalize()}
    )


def _order(random: Random, topic: str) -> list[str]:
    """One of the topic's two leads, then the rest of the topic, soon mixed with what is said by the way."""
    own = list(TOPICS[topic])
    aside = [] if topic in _PLAIN else list(ASIDES)
    lead = own.pop(random.randrange(2))
    random.shuffle(own)
    random.shuffle(aside)
    order = [lead]
    for at, sentence in enumerate(own):
        order.append(sentence)
        if at > 1 and aside:
            order.append(aside.pop())
    return order + aside


def _paragraphs(sentences: Sequence[str]) -> str:
    text, begun = "", 0
    for sentence in sentences:
        fresh = len(text) - begun > _PARAGRAPH
        text += sentence if not text else f"\n\n{sentence}" if fresh else f" {sentence}"
        begun = len(text) - len(sentence) if fresh else begun
    return text
