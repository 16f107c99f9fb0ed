"""Problem details: a closed list, one status and title each, and nothing in them that says nothing."""

import json

from schemas.http.problems import MAX_FAULTS, Fault, ProblemType, problem, type_of


def test_each_type_has_a_status_of_its_own() -> None:
    statuses = [kind.status for kind in ProblemType]
    assert len(set(statuses)) == len(statuses)
    assert all(400 <= status <= 599 for status in statuses)
    assert {kind: type_of(kind.status) for kind in ProblemType} == {kind: kind for kind in ProblemType}


def test_a_status_without_a_type_is_told_as_its_class() -> None:
    assert type_of(418) is ProblemType.BAD_REQUEST
    assert type_of(502) is ProblemType.INTERNAL


def test_the_body_has_the_members_of_rfc_9457_and_none_that_is_empty() -> None:
    assert json.loads(problem(ProblemType.NOT_FOUND).body()) == {
        "type": "urn:entente:problem:not-found",
        "title": "nothing here for this caller",
        "status": 404,
    }
    fault = Fault(where="body.kind", expected="one of the kinds")
    told = json.loads(problem(ProblemType.INVALID, "see faults", reason="x", faults=(fault,)).body())
    assert told["detail"] == "see faults"
    assert told["reason"] == "x"
    assert told["faults"] == [{"where": "body.kind", "expected": "one of the kinds"}]


def test_faults_are_bounded() -> None:
    many = tuple(Fault(where=str(n), expected="less") for n in range(1000))
    assert len(problem(ProblemType.INVALID, faults=many).faults) == MAX_FAULTS
