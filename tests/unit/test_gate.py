"""The protection gate as a table: every category, ground, origin and exposure, cleared or not."""

from itertools import combinations, product

import pytest

from schemas.codes import ProtectionGround, SubjectCategory
from schemas.gate import ALL_STATES, barred, protected, surroundings
from tests.support.drafts import handling

S, C, V, O, U = (  # noqa: E741 - one letter a category reads as a table
    SubjectCategory.SUSPECT,
    SubjectCategory.CONVICTED,
    SubjectCategory.VICTIM,
    SubjectCategory.OTHER_PARTY,
    SubjectCategory.UNKNOWN,
)
GROUNDS = [(), *((g,) for g in ProtectionGround), tuple(ProtectionGround)]
SUBJECTS = [c for size in range(len(SubjectCategory) + 1) for c in combinations(SubjectCategory, size)]
ORIGINS: list[tuple[str, ...]] = [(), ("XA",), ("XA", "XB"), ("ZZ",), ("XA", "ZZ")]
EXPOSED: list[frozenset[str] | None] = [
    ALL_STATES,
    frozenset(),
    frozenset({"GB"}),
    frozenset({"XA"}),
    frozenset({"GB", "XB"}),
]

#: Whether a person of these categories can be cleared at all, where no ground stands against it.
CLEARABLE = {(S,), (C,), (S, C)}


@pytest.mark.parametrize("cleared", [False, True])
@pytest.mark.parametrize("grounds", GROUNDS)
@pytest.mark.parametrize("subjects", SUBJECTS)
def test_protection_is_on_unless_cleared_for_suspects_and_convicts_alone(
    subjects: tuple[SubjectCategory, ...], grounds: tuple[ProtectionGround, ...], cleared: bool
) -> None:
    off = subjects in CLEARABLE and not grounds and cleared
    assert protected(handling(subjects=subjects, grounds=grounds, cleared=cleared)) is not off


def test_the_table() -> None:
    #         origins \ exposed: all    none   GB     XA     GB+XB
    table = {
        (): (True, True, True, True, True),
        ("XA",): (True, False, False, True, False),
        ("XA", "XB"): (True, False, False, True, True),
        ("ZZ",): (True, True, True, True, True),
        ("XA", "ZZ"): (True, True, True, True, True),
    }
    for (origins, row), cleared in product(table.items(), (False, True)):
        for exposed, shut in zip(EXPOSED, row, strict=True):
            victim = handling(subjects=(V,), origins=origins, cleared=cleared)
            assert barred(True, victim, exposed) is shut, (origins, exposed)


@pytest.mark.parametrize("exposed", EXPOSED)
@pytest.mark.parametrize("origins", ORIGINS)
def test_no_gate_where_no_person_is_or_where_all_are_cleared(
    origins: tuple[str, ...], exposed: frozenset[str] | None
) -> None:
    for subjects in SUBJECTS:
        assert not barred(False, handling(subjects=subjects, origins=origins), exposed)
    assert not barred(True, handling(subjects=(S, C), origins=origins, cleared=True), exposed)


@pytest.mark.parametrize("ground", ProtectionGround)
def test_one_ground_shuts_it_again(ground: ProtectionGround) -> None:
    cleared = handling(subjects=(S,), origins=("XA",), cleared=True, grounds=(ground,))
    assert barred(True, cleared, frozenset({"XA"}))


@pytest.mark.parametrize("other", [V, O, U])
def test_one_person_of_another_category_shuts_it_again(other: SubjectCategory) -> None:
    cleared = handling(subjects=(S, other), origins=("XA",), cleared=True)
    assert barred(True, cleared, frozenset({"XA"}))


def test_the_surroundings_are_of_the_protected_portions_alone() -> None:
    victim = handling(subjects=(V,), origins=("XA",))
    stranger = handling(subjects=(V,), origins=("XB", "ZZ"))
    cleared = handling(subjects=(S,), origins=("GB",), cleared=True)
    goods = handling(origins=("FR",))
    assert surroundings([(False, goods), (True, cleared)]) == (False, frozenset(), True)
    assert surroundings([(False, goods), (True, victim)]) == (True, frozenset({"XA"}), True)
    assert surroundings([(True, victim), (True, stranger)]) == (True, frozenset({"XA", "XB", "ZZ"}), False)
    assert surroundings([(True, handling(subjects=(V,)))]) == (True, frozenset(), False)
