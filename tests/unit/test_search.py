"""Full-text search: one language of queries, the same hits on both databases."""

import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert

from agencies.store import Store
from agencies.store.search import Term, find, parse_query, text_row
from agencies.store.tables import texts
from agencies.store.words import indexed, words

CONTENTS: list[object] = [
    {"summary": "Two inflatable boats of 9 m, hull GB-ABC00042A326, bought in Osnabrück."},
    {"summary": "An outboard engine; seller known as 'Le Marchand'.", "items": [{"serial": "F40-77120"}]},
    {"summary": "Người bán thuyền tại Hải Phòng", "contact": "+84912345678"},
    {"summary": "東京都港区の倉庫", "price_eur": 1500},
    {
        "summary": "boats boats engine",
        "exhibits": [{"title": "plot", "media_type": "image/png", "data": "c2VjcmV0"}],
    },
    {"summary": "zero \x00 byte", "note": "x" * 700_000},
]

CASES = {
    "boats": [4, 0],
    "boat": [],
    "boat*": [4, 0],
    "BOATS engine": [4],
    "engine -boats": [1],
    '"inflatable boats"': [0],
    '"boats inflatable"': [],
    "osnabruck": [0],
    "Osnabrück": [0],
    "GB-ABC00042A326": [0],
    "ABC00042A326": [0],
    "F40-77120": [1],
    "marchand": [1],
    "hai phong": [2],
    "Hải Phòng": [2],
    "+84912345678": [2],
    "東京": [3],
    "京都": [3],
    "京東": [],
    "1500": [3],
    "plot": [4],
    "secret": [],
    "c2VjcmV0": [],
    "byte": [5],
    "-boats": [],
    "": [],
    "   ": [],
    '"': [],
    "boats AND OR NOT": [],
    "NEAR(boats engine)": [],
    "body:boats": [],
    "boats'); DROP TABLE texts; --": [],
    "boats & engine | !x": [],
    "online": [5, 4, 3, 2, 1, 0],
    "advert": [5, 4, 3, 2, 1, 0],
}


def fill(connection: Connection, contents: Sequence[object]) -> None:
    connection.execute(delete(texts))
    for at, content in enumerate(contents):
        row = text_row("gb-nca", bytes([at]) * 16, bytes([at]) * 32, "base", "online_advert", content)
        connection.execute(insert(texts).values(**row))


async def test_the_same_hits_on_each_database(store_url: str) -> None:
    async with Store(store_url) as store:
        await store.run(lambda c: fill(c, CONTENTS))
        for query, expected in CASES.items():
            found = await store.run(lambda c, q=query: find(c, q))  # type: ignore[misc]
            assert [f.record_id[0] for f in found] == expected, query


async def test_hits_come_in_pages_the_newest_first(store_url: str) -> None:
    async with Store(store_url) as store:
        await store.run(lambda c: fill(c, [{"summary": f"boat {n}"} for n in range(25)]))
        seen: list[int] = []
        before = None
        while page := await store.run(lambda c, b=before: find(c, "boat", limit=10, before=b)):  # type: ignore[misc]
            assert len(page) <= 10
            seen += [f.record_id[0] for f in page]
            before = page[-1].place
        assert seen == list(range(24, -1, -1))


async def test_what_is_deleted_is_found_no_more(store_url: str) -> None:
    async with Store(store_url) as store:
        await store.run(lambda c: fill(c, CONTENTS))
        await store.run(lambda c: c.execute(delete(texts).where(texts.c.record_id == bytes(16))))
        assert [f.record_id[0] for f in await store.run(lambda c: find(c, "boats"))] == [4]


TYPED = st.text(st.sampled_from("ab \"'-*()&|!:<>\\^~\x00é東") | st.characters(), max_size=40)


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries=st.lists(TYPED, min_size=5, max_size=5))
async def test_nothing_that_is_typed_is_an_error(store_url: str, queries: list[str]) -> None:
    async with Store(store_url) as store:
        for query in queries:
            await store.run(lambda c, q=query: find(c, q))  # type: ignore[misc]


def test_a_query_is_terms() -> None:
    assert parse_query('boats "two words" -not wor* -"a b"') == (
        Term(("boats",)),
        Term(("two", "words")),
        Term(("not",), wanted=False),
        Term(("wor",), begins=True),
        Term(("a", "b"), wanted=False),
    )
    assert len(parse_query("a " * 100)) == 32


@given(st.text())
def test_words_are_letters_and_digits_and_stay_so(text: str) -> None:
    found = words(text)
    assert all(word.isalnum() for word in found)
    assert words(" ".join(found)) == found


def plainly(text: str) -> list[str]:
    """The rule for words, as it is said."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in plain if not unicodedata.category(c).startswith("M"))
    spaced = "".join(f" {c} " if "CJK UNIFIED" in unicodedata.name(c, "") else c for c in plain)
    return "".join(c if c.isalnum() else " " for c in spaced).split()


@given(
    st.text(st.characters(max_codepoint=0x24F) | st.sampled_from("\u0301\u0308ß\u0130\u017f東京_\x00\x1f"))
)
@example("".join(map(chr, range(128))))
@example("The boats' ENGINES_2 are, in Osnabrück, n°7: 50 000 €; Hải Phòng; ﬁne Straße; 東京x")
def test_words_are_the_same_by_whichever_way_they_are_found(text: str) -> None:
    assert words(text) == plainly(text)
    assert indexed({"a": text, "b": ["Two", text]}).split() == [*plainly(text), "two", *plainly(text)]


@given(st.lists(st.integers(0, 450) | st.integers(196, 204), max_size=12), st.sampled_from("aß"))
def test_a_word_is_cut_after_200_characters_wherever_it_stands(lengths: list[int], letter: str) -> None:
    text = " ".join(letter * length for length in lengths)
    assert words(text) == [word[:200] for word in plainly(text)]


def test_only_texts_and_numbers_are_indexed() -> None:
    content = {
        "a": "One",
        "b": [2, 3.5, True, None],
        "c": {"media_type": "image/png", "data": "AAAA", "title": "T"},
    }
    assert indexed(content).split() == ["one", "2", "3", "5", "image", "png", "t"]
