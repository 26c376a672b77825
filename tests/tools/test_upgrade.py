from pathlib import Path

from packaging.requirements import Requirement

from tools.upgrade import choose_tests, compare_locks, loosen

PROJECT = """
name = "prefect"
dependencies = [
    "fastapi>=0.139,<0.151",
    "prefect[redis]==3.9.1; sys_platform != 'win32'",
]
"""


def test_a_package_may_go_up_and_no_other_may() -> None:
    loose = loosen(PROJECT, [Requirement("Prefect")])
    assert "\"prefect[redis]>=3.9.1; sys_platform != 'win32'\"" in loose
    assert '"fastapi>=0.139,<0.151"' in loose
    assert 'name = "prefect"' in loose


def test_a_version_that_is_asked_for_takes_the_place_of_the_bound() -> None:
    assert '"fastapi==0.160"' in loosen(PROJECT, [Requirement("fastapi==0.160")])


def test_each_pin_that_moves_is_told(tmp_path: Path) -> None:
    locks = {"old": "a==1 \\\n    --hash=sha256:0\nb==1\nc==1", "new": "a==2 \\\nb==1\nd==1"}
    for name, text in locks.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements-dev.lock").write_text(text)
    told = list(compare_locks(tmp_path / "old", tmp_path / "new"))
    assert told == ["a: 1 -> 2", "c: 1 -> none", "d: none -> 1"]


def test_the_tests_that_matter_are_those_of_the_rooms_that_import_it() -> None:
    assert choose_tests([Requirement("bentoml")])[:2] == ["tests/bentos", "tests/tasks/serving"]
    assert "tests/flows" in choose_tests([Requirement("prefect")])
    assert choose_tests([Requirement("certifi")]) == ["tests"]
