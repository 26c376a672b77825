"""The backtest flow on real flights: what is replayed, what is left behind, what is printed."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName

from flows import cli
from tasks.core.errors import DataRefused, DefinitionError
from tasks.core.model_sections import METRICS

START, END = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 7, 29, tzinfo=UTC)


def test_policies_are_replayed_and_compared(
    eager: None,
    project: Path,
    definition_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    follows = '[serving]\nfollow_base_rate = "14d"\ncost = { false_alarm = 1, missed = 4 }\n'
    definition_file.write_text(definition_file.read_text() + follows)
    words = [
        "backtest",
        "flight-delay",
        "--from",
        "2013-07-01",
        "--to",
        "2013-07-29",
        "--every",
        "2w",
        "--retrain-cost",
        "5",
    ]
    monkeypatch.setattr(sys, "argv", ["perennial", *words, "--json"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    done: dict[str, Any] = json.loads(capfd.readouterr().out)
    policies = done["policies"]
    assert list(policies) == ["never", "schedule", "drift", "quality"]
    assert policies["never"]["retrains"] == []
    assert [each["as_of"][:10] for each in policies["schedule"]["retrains"]] == ["2013-07-15"]
    for track in policies.values():
        assert len(track["periods"]) == 2
        assert set(track["mean"]) == {*METRICS["binary"], "cost"}
        assert track["promotions"] + track["refusals"] == len(track["retrains"])
        assert len(track["followed"]["offsets"]) == 28
        assert track["followed"]["offsets"][0] == 0 != track["followed"]["offsets"][-1]
        assert track["followed"]["mean"] != track["mean"]
    choice = done["choice"]
    assert (choice["by"], choice["retrain_cost"], len(choice["options"])) == ("cost", 5.0, 8)
    costs = {each["name"]: each for each in choice["options"]}
    assert costs["schedule"]["retraining"] == 5.0
    rows = sum(each["rows"] for each in policies["never"]["periods"])
    by_period = (each["rows"] * each["metrics"]["cost"] for each in policies["never"]["periods"])
    assert choice["rows"] == rows
    assert costs["never"]["answers"] == pytest.approx(sum(by_period) / 1000)
    assert done["told"][0].startswith(f"{choice['options'][0]['name']} is the cheapest of 8")
    of_it = FlowFilter(name=FlowFilterName(any_=["backtest"]))
    with get_client(sync_client=True) as client:
        runs = {each.name: each for each in client.read_flow_runs(flow_filter=of_it)}
    state = runs[f"flight-delay from 2013-07-01 to 2013-07-29: take {choice['simplest']}"].state
    assert state is not None
    assert str(state.message).startswith(done["told"][0][:100])
    first, second = (policies[name]["periods"][0] for name in ("never", "schedule"))
    assert first["metrics"] == second["metrics"]
    page = Path(done["report"]).read_text()
    assert "How often is it worth retraining?" in page
    assert "never, base rate followed" in page
    assert "Which is worth it" in page
    assert done["told"][0] in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    root = project.parent / "root"
    assert sorted(path.name for path in root.iterdir()) == ["backtests", "tmp"]
    assert not any((root / "tmp").glob("run-*/"))


def test_rows_count_by_their_weight_as_they_do_in_evaluation(
    eager: None, definition_file: Path
) -> None:
    from flows.backtest import backtest

    plain = backtest("flight-delay", START, END, "2w", "never")
    text = definition_file.read_text()
    assert "[training]" in text
    weight = "[training]\nweight = \"CASE WHEN origin = 'JFK' THEN 2 ELSE 1 END\""
    costs = '[serving]\ncost = { false_alarm = "1 + distance / 1000", missed = 4 }\n'
    definition_file.write_text(text.replace("[training]", weight) + costs)
    weighed = backtest("flight-delay", START, END, "2w", "never")
    one, other = (each["policies"]["never"]["periods"][0] for each in (plain, weighed))
    assert one["rows"] == other["rows"]
    assert one["metrics"]["log_loss"] != other["metrics"]["log_loss"]
    assert other["metrics"]["cost"] > 0
    definition_file.write_text(text.replace("[training]", '[training]\nweight = "arr_delay"'))
    with pytest.raises(DataRefused, match=r"\[training\] weight: is negative"):
        backtest("flight-delay", START, END, "2w", "never")


CLASSES = """CASE WHEN flight % 7 = 0 AND DATE_PART('doy', time_hour) > 191 THEN 'a new one'
  WHEN flight % 3 = 0 THEN 'any' WHEN sched_dep_time < 1200 THEN 'morning' ELSE 'late' END"""


def test_class_that_came_later_is_one_that_the_first_model_lacks(
    eager: None, definition_file: Path
) -> None:
    from flows.backtest import backtest

    text = definition_file.read_text().replace("label_rate = [0.05, 0.5]", "")
    binary = 'value = "arr_delay > 15"\nkind = "binary"'
    assert binary in text
    classes = f'value = """{CLASSES}"""\nkind = "multiclass"'
    definition_file.write_text(text.replace(binary, classes))
    done = backtest("flight-delay", START, END, "2w", "never,quality")
    for period in done["policies"]["never"]["periods"]:
        assert period["metrics"]["accuracy"] > 0.45


def test_stretch_without_a_model_or_rows_is_refused(eager: None) -> None:
    from flows.backtest import backtest

    with pytest.raises(DataRefused, match="--from 2013-01-20: no first model"):
        backtest("flight-delay", datetime(2013, 1, 20), datetime(2013, 2, 20), "1mo", "never")
    with pytest.raises(DataRefused, match="no row from 2015-01-01 to 2015-02-01"):
        backtest("flight-delay", datetime(2015, 1, 1), datetime(2015, 2, 1), "1mo", "never")
    with pytest.raises(DefinitionError, match="--to 2999-01-01 00:00 UTC is in the future"):
        backtest("flight-delay", START, datetime(2999, 1, 1), "1mo", "never")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "monthly"], "--every 'monthly'"),
        (["--policies", "drifts"], "did you mean 'drift'?"),
        (["--to", "2013-06-01"], "is not before --to"),
        (["--from", "spring"], "--from 'spring' is no time"),
        (["--retrain-cost", "50"], "--retrain-cost needs [serving] cost"),
        (["--retrain-cost", "nan"], "--retrain-cost nan: must be 0 or more"),
    ],
)
def test_question_that_makes_no_sense_is_refused_at_once(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    span = ["--from", "2013-07-01", "--to", "2013-07-29"]
    monkeypatch.setattr(sys, "argv", ["perennial", "backtest", "flight-delay", *span, *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert said in capfd.readouterr().err


def test_rows_without_a_time_have_no_past_to_replay(definition_file: Path) -> None:
    from flows.backtest import settle_question

    text = definition_file.read_text()
    timeless = text.replace('time = "time_hour"\n', "").replace('holdout = "60d"\n', "")
    definition_file.write_text(timeless)
    with pytest.raises(DefinitionError, match=r"backtest needs \[extract\] time"):
        settle_question("flight-delay", START, END, "2w", "never")
