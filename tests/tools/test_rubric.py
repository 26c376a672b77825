"""The ML Test Score counts what ran green, and nothing else."""

import pytest

from tools.rubric import (
    PAGE,
    SECTIONS,
    Point,
    earn,
    is_there,
    name_proofs,
    read_cases,
    read_rubric,
)

REPORT = """<testsuites><testsuite>
<testcase classname="tests.tasks.test_a" name="test_one[x]" />
<testcase classname="tests.tasks.test_a" name="test_one[y]"><skipped /></testcase>
<testcase classname="tests.tasks.test_a" name="test_two[x]" />
<testcase classname="tests.tasks.test_a" name="test_two[y]"><failure>no</failure></testcase>
<testcase classname="tests.tasks.test_b" name="test_three"><skipped /></testcase>
</testsuite></testsuites>"""
A, B = "tests/tasks/test_a.py", "tests/tasks/test_b.py"


def test_rubric_has_its_28_tests_and_each_proof_is_there() -> None:
    rubric = read_rubric()
    assert {section: len(points) for section, points in rubric.items()} == dict.fromkeys(
        SECTIONS, 7
    )
    assert [proof for proof in name_proofs(rubric) if not is_there(proof)] == []
    whole = {each.lacks for points in rubric.values() for each in points if each.credit < 1}
    assert "" not in whole, "what is not a whole point says what it lacks"


@pytest.mark.parametrize(
    ("proofs", "earned"),
    [
        ((f"{A}::test_one",), 1),  # a skipped case spoils nothing
        ((f"{A}::test_two",), 0),  # one case failed
        ((f"{A}::test_one", f"{A}::test_two"), 0),
        ((A,), 0),
        ((f"{B}::test_three",), 0),  # skipped whole: it did not run
        ((f"{B}::test_that_is_no_more",), 0),
    ],
)
def test_point_counts_when_each_proof_ran_green(proofs: tuple[str, ...], earned: float) -> None:
    point = Point(test="t", how="h", proofs=proofs)
    assert earn(point, read_cases(REPORT, list(proofs))) == earned


def test_page_tells_every_point_of_the_rubric() -> None:
    page = PAGE.read_text()
    for points in read_rubric().values():
        for place, point in enumerate(points, 1):
            told = [f"### {place}. {point.test}: ", point.how, point.lacks, *point.proofs]
            assert [each for each in told if each not in page] == [], "run `make rubric`"
