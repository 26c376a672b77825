"""What delivers the project does no more than a developer can: every step is a make target."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.maintenance.doctor import PYTHONS

REPOSITORY = Path(__file__).parents[1]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_there_is_a_workflow_for_pull_requests_and_one_for_main() -> None:
    assert [path.stem for path in WORKFLOWS] == ["main", "pull_request"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_that_runs_something_is_a_make_target(workflow: Path) -> None:
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    assert runs
    assert {run.removeprefix("make ") for run in runs} <= TARGETS
    assert all(run.startswith("make ") for run in runs)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_may_only_read_and_its_actions_cannot_move(workflow: Path) -> None:
    written = yaml.safe_load(workflow.read_text())
    assert written["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in written["jobs"].values())
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
    assert "secrets." not in workflow.read_text()


def test_production_comes_after_staging_and_after_a_person() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/main.yml").read_text())["jobs"]
    assert jobs["staging"]["needs"] == "package"
    assert jobs["production"]["needs"] == "staging"
    assert jobs["production"]["environment"] == "production"


def test_every_target_is_in_the_list_of_targets() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].replace("\\\n", " ").split()) == TARGETS


def test_what_is_named_as_supported_is_what_is_tried() -> None:
    named = [".".join(map(str, each)) for each in PYTHONS]
    makefile = (REPOSITORY / "Makefile").read_text()
    assert f"PYTHONS := {' '.join(named)}\n" in makefile
    assert (
        f"Python {', '.join(named[:-1])} or {named[-1]}" in (REPOSITORY / "README.md").read_text()
    )
    ours, theirs = ".github/workflows/pull_request.yml", "flows/templates/project/workflow.yml"
    for path, job in ((ours, "test"), (theirs, "check")):
        written = yaml.safe_load((REPOSITORY / path).read_text())["jobs"][job]
        assert written["strategy"]["matrix"]["python"] == named
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    later = f"3.{PYTHONS[-1][1] + 1}"
    assert project["requires-python"] == f">={named[0]},<{later}"
