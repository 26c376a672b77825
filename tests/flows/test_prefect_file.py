"""prefect.yaml is brought into agreement with definitions, and all else in it stays as it is."""

from pathlib import Path

import pytest
import yaml

from flows.prefect_file import empty_file, name_entry, plan_file, read_entries, write_file
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError

REPOSITORY = Path(__file__).parents[2]
TABLES = "tables.u = { source = 't', entity = ['x'], values = { a = 'b' } }\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "prefect.yaml"


def define(name: str, more: str = "") -> dict[str, Definition]:
    text = f"name = '{name}'\nsources.t = 't.csv'\ntarget = {{ value = 'y', kind = 'binary' }}\n"
    return {name: parse_definition(text + more, f"{name}.toml")}


def agree(definitions: dict[str, Definition]) -> tuple[str, ...]:
    change = plan_file(definitions)
    write_file(change)
    assert plan_file(definitions).changes == ()
    return change.changes


def times() -> dict[str, list[tuple[str, str]]]:
    return {
        name_entry(entry): [(each["cron"], each["timezone"]) for each in entry["schedules"]]
        for entry in read_entries()
        if "schedules" in entry
    }


def test_first_model_makes_the_file_and_a_second_adds_its_own(here: Path) -> None:
    assert len(agree(define("sales"))) == 4
    before = here.read_text()
    assert len(agree(define("churn", TABLES))) == 5
    assert here.read_text().startswith(before)
    read = yaml.safe_load(here.read_text())["deployments"]  # as Prefect reads it
    assert [name_entry(entry) for entry in read] == [
        *("retrain/sales", "release/sales", "monitor/sales", "score/sales"),
        *("retrain/churn", "release/churn", "monitor/churn", "materialise/churn", "score/churn"),
    ]
    assert read == read_entries()
    assert {entry["parameters"]["model"] for entry in read} == {"sales", "churn"}
    assert read[4]["triggers"][0]["match"] == {"prefect.resource.id": "perennial.model.churn"}
    assert read[0]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert "\n\n\n" not in here.read_text()


def test_this_repositorys_own_file_is_what_would_be_written() -> None:
    path = REPOSITORY / "deployments" / "flight_delay.toml"
    definition = parse_definition(path.read_text(), path.name)
    planned = plan_file({definition.name: definition})
    assert planned.text == (REPOSITORY / "prefect.yaml").read_text()
    assert plan_file({definition.name: definition}, REPOSITORY / "prefect.yaml").changes == ()


def test_time_of_the_definition_is_the_files(here: Path) -> None:
    agree(define("sales"))
    changed = agree(
        define("sales", "schedule = { retrain = '0 5 * * *', time_zone = 'Asia/Tokyo' }")
    )
    assert changed == (
        "monitor/sales runs at '*/15 * * * *' in Asia/Tokyo",
        "retrain/sales runs at '0 5 * * *' in Asia/Tokyo",
    )
    assert times() == {
        "retrain/sales": [("0 5 * * *", "Asia/Tokyo")],
        "monitor/sales": [("*/15 * * * *", "Asia/Tokyo")],
    }


def test_flow_that_never_runs_has_no_time_and_may_have_one_again(here: Path) -> None:
    agree(define("sales"))
    before = here.read_text()
    agree(define("churn", TABLES))
    both = here.read_text()
    said = agree(define("sales", "schedule.monitor = 'never'") | define("churn"))
    assert said == ("monitor/sales runs at no time", "materialise/churn runs at no time")
    assert times()["monitor/sales"] == times()["materialise/churn"] == []
    agree(define("sales") | define("churn", TABLES))
    assert here.read_text() == both
    assert both.startswith(before)


def test_what_a_person_wrote_stays(here: Path) -> None:
    here.write_text(
        "# ours\nname: shop\n\ndeployments:\n- name: nightly # keep\n"
        "  entrypoint: jobs.py:nightly\n  schedules:\n  - interval: 3600\n\n# the end of it\n"
    )
    before = here.read_text()
    agree(define("sales"))
    after = here.read_text()
    for line in before.splitlines():
        assert line in after
    assert read_entries()[0] == yaml.safe_load(before)["deployments"][0]
    edited = after.replace("  work_pool: *pool\n", "  work_pool: *pool\n  tags: [mine] # why\n", 1)
    here.write_text(edited)
    agree(define("sales", "schedule.retrain = '0 5 * * *'"))
    assert here.read_text() == edited.replace('cron: "0 4 * * 1"', 'cron: "0 5 * * *"')


def test_deployment_that_was_taken_out_stays_out_unless_it_has_a_time(here: Path) -> None:
    agree(define("sales"))
    left = [entry for entry in read_entries() if entry["entrypoint"] == "flows.release:release"]
    here.write_text(yaml.safe_dump({"deployments": left}))
    agree(define("sales"))
    assert [name_entry(entry) for entry in read_entries()] == [
        *("release/sales", "retrain/sales", "monitor/sales")
    ]


def test_steps_for_all_deployments_belong_to_each(here: Path) -> None:
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv"}}]
    here.write_text(empty_file() + yaml.safe_dump({"pull": pull}))
    agree(define("sales"))
    assert all(entry["pull"] == pull for entry in read_entries())


@pytest.mark.parametrize("name", ["no", "on", "007", "1e3", "2026-01-01", "null"])
def test_name_that_yaml_takes_for_something_else_is_a_name(here: Path, name: str) -> None:
    agree(define(name))
    entries = yaml.safe_load(here.read_text())["deployments"]
    assert {entry["name"] for entry in entries} == {name}
    assert {entry["parameters"]["model"] for entry in entries} == {name}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\ndeployments:\n  - name: [\n", r"prefect.yaml:4: is not valid YAML: expected"),
        ("a: 1\na: 2\n", "prefect.yaml:2: is not valid YAML: found duplicate key"),
        ("- a\n", "prefect.yaml:1: must be a table of keys"),
        ("name: x\ndeployments: 3\n", "prefect.yaml:2: deployments must be a list"),
        ("deployments:\n- 3\n", "prefect.yaml:2: a deployment must be a table"),
        ("deployments:\n- name: x\n  schedules: 3\n", "prefect.yaml:3: schedules must be a list"),
        ("name: x\ndefinitions: 3\ndeployments:\n- name: x\n", "prefect.yaml:2: definitions must"),
        ("a: !!timestamp x\n", "prefect.yaml"),
    ],
)
def test_broken_file_is_refused_by_its_line_and_stays(here: Path, text: str, said: str) -> None:
    here.write_text(text)
    with pytest.raises(DefinitionError, match=said):
        plan_file(define("sales"))
    assert here.read_text() == text


def test_file_that_is_no_text_or_cannot_be_written_is_named(here: Path) -> None:
    here.write_bytes(b"\xff\xfe")
    with pytest.raises(DefinitionError, match=r"prefect.yaml: cannot be read"):
        plan_file(define("sales"))
    here.unlink()
    change = plan_file(define("sales"))
    with pytest.raises(DefinitionError, match="cannot be written"):
        write_file(change, here.parent / "missing" / "prefect.yaml")


def test_wrong_time_zone_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"\[schedule\] time_zone: there is no 'Mars/Base'"):
        plan_file(define("sales", "schedule.time_zone = 'Mars/Base'"))
