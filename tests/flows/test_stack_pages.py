"""What a person is told of a project and of its system."""

from pathlib import Path

import pytest

from flows import stack_pages


def test_next_command_goes_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = {"folder": "our shop", "written": ["README.md"], "kept": ["prefect.yaml"]}
    stack_pages.print_project(made)
    stack_pages.print_project(made | {"folder": "."})
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["wrote README.md", "kept as they are: prefect.yaml"]
    assert said[2] == "next: cd 'our shop' && perennial init DATA --target COLUMN"
    assert said[-1] == "next: perennial init DATA --target COLUMN"


def test_what_was_registered_is_told_and_what_is_left_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = {"file": "prefect.yaml", "changes": ["a"], "changed": ["b/m"], "same": ["c/m"]}
    stack_pages.print_deployed(done | {"strays": ["score/m"]})
    assert capsys.readouterr().out.splitlines() == [
        "prefect.yaml: a",
        "registered b/m",
        "1 deployments were as they must be",
        "on the server, and no longer in prefect.yaml: prefect deployment delete 'score/m'",
    ]
    stack_pages.print_checked({"file": "prefect.yaml", "changes": []})
    assert capsys.readouterr().out == "prefect.yaml agrees with the definitions\n"


def test_part_that_is_not_well_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    part = {"name": "server", "pid": None, "url": "http://x:1", "well": False, "detail": "is out"}
    found = {"root": "r", "logs": "l", "parts": [part], "password": None, "api": "http://x:1/api"}
    stack_pages.print_stack(found)
    stack_pages.print_mishaps(["yesterday"])
    stack_pages.print_log("worker", "red \x1b[31m")
    said = capsys.readouterr().out
    assert "server  –    http://x:1  ✗ is out" in said
    assert said.endswith("went wrong in the last day:\nyesterday\nworker  red \\x1b[31m\n")
