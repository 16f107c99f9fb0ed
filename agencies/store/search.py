"""Full-text search over the portions that a node holds: what it received, and what it published.

- A query is plain words, all of which must occur; "words in quotes" must stand together; -word must not occur; word*
  is a beginning. Whatever else is typed is not a syntax error: it is taken for words.
- SQLite (FTS5) and PostgreSQL (tsvector, configuration `simple`) give the same hits: words are made in
  `agencies.store.words`, and each database only compares them.
- Newest first; `before` is the last hit's place. Who may see a hit is decided in `agencies.access`, never here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, func, select, text

from agencies.store.tables import texts
from agencies.store.words import indexed, words

_PART = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')
_MOST_TERMS = 32


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand together. `wanted`: they must occur, or must not. `begins`: the last one may go on."""

    words: tuple[str, ...]
    wanted: bool = True
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A portion in which the query occurs. `place` orders hits, the newest has the largest."""

    place: int
    originator: str
    record_id: bytes
    manifest: bytes
    portion: str
    kind: str


def parse_query(query: str) -> tuple[Term, ...]:
    """The terms of a query, the first 32 of them; never an error."""
    terms = []
    for minus, phrase, word in _PART.findall(query):
        said = words(phrase or word)
        if said:
            terms.append(Term(tuple(said), not minus, bool(word) and word.endswith("*")))
    return tuple(terms[:_MOST_TERMS])


def find(
    connection: Connection, query: str, *, limit: int = 50, before: int | None = None
) -> Sequence[Found]:
    """The newest portions in which the query occurs, below `before`; none for a query that wants nothing."""
    terms = parse_query(query)
    if not any(term.wanted for term in terms):
        return ()
    columns = (
        texts.c.id,
        texts.c.originator,
        texts.c.record_id,
        texts.c.manifest,
        texts.c.portion,
        texts.c.kind,
    )
    if connection.dialect.name == "postgresql":
        matches = text("indexed @@ to_tsquery('simple', :query)").bindparams(query=_tsquery(terms))
    else:
        matches = text("id IN (SELECT rowid FROM texts_index WHERE texts_index MATCH :query)").bindparams(
            query=_fts5(terms)
        )
    wanted = select(*columns).where(matches).order_by(texts.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(texts.c.id < before)
    return [
        Found(int(r.id), r.originator, bytes(r.record_id), bytes(r.manifest), r.portion, r.kind)
        for r in connection.execute(wanted)
    ]


def text_row(
    originator: str, record_id: bytes, manifest: bytes, portion: str, kind: str, content: object
) -> dict[str, object]:
    """The row of `texts` for a portion; `content` as JSON has it."""
    return {
        "originator": originator,
        "record_id": record_id,
        "manifest": manifest,
        "portion": portion,
        "kind": kind,
        "body": f"{_of_kind(kind)} {indexed(content)}",
    }


@lru_cache(64)
def _of_kind(kind: str) -> str:
    return " ".join(words(kind))


def count(connection: Connection) -> int:
    """How many portions can be searched."""
    return int(connection.scalar(select(func.count()).select_from(texts)) or 0)


def _fts5(terms: Sequence[Term]) -> str:
    """In FTS5's own language. Words hold letters and digits alone, so quotes are enough."""

    def one(term: Term) -> str:
        return f'"{" ".join(term.words)}"{" *" if term.begins else ""}'

    wanted = " AND ".join(one(t) for t in terms if t.wanted)
    unwanted = [one(t) for t in terms if not t.wanted]
    return f"({wanted}) NOT ({' OR '.join(unwanted)})" if unwanted else wanted


def _tsquery(terms: Sequence[Term]) -> str:
    """In PostgreSQL's own language."""

    def one(term: Term) -> str:
        quoted = [f"'{word}'" for word in term.words]
        quoted[-1] += ":*" if term.begins else ""
        phrase = f"({' <-> '.join(quoted)})"
        return phrase if term.wanted else f"!{phrase}"

    return " & ".join(one(t) for t in terms)
