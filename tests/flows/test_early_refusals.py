"""What is wrong from the beginning is said in a moment: before Prefect and LightGBM are loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.registry.versions import publish, version_path
from tasks.storage.store import open_store

if TYPE_CHECKING:
    from conftest import Released

ASKING = """
import contextlib, io, json, sys
from flows import cli
for words in json.load(sys.stdin):
    sys.argv, said = ["perennial", *words], io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        cli.main()
    loaded = sorted({"prefect", "lightgbm", "whylogs"} & set(sys.modules))
    print(json.dumps(json.loads(said.getvalue()) | {"loaded": loaded}))
"""
SIGNED = ("--as", "Ada", "--reason", "x")
SCORE = ("--input", "x.csv", "--output")
PERIOD = ("--from", "2013-04-01", "--to")


def test_refusal_that_needs_no_run_is_said_before_anything_is_loaded(
    released: "Released", tmp_path: Path
) -> None:
    model, newer, refused = "flight-delay", released.newer, put_refused(tmp_path / "refused")
    definition = released.project / "deployments" / "odd.toml"
    text = (released.project / "deployments" / "flight_delay.toml").read_text()
    definition.write_text(text.replace('"arr_delay > 15"', '"arr_dely > 15"'))
    asked = {
        ("approve", model, refused, *SIGNED): (3, "did not pass its gate"),
        ("approve", model, "2013", *SIGNED): (2, "'2013' is ambiguous"),
        ("approve", model, released.older, *SIGNED): (3, "was released already"),
        ("approve", model, newer, "--as", " ", "--reason", "x"): (2, "needs the name"),
        ("reject", "nothing", newer, *SIGNED): (2, "does not exist"),
        ("rollback", model, *SIGNED): (3, "no earlier champion"),
        ("rollback", model, "--to", newer, *SIGNED): (3, "was never released"),
        ("score", model, *SCORE, "x.xls"): (2, "must end in .parquet or .csv"),
        ("score", "flight-dely", *SCORE, "x.csv"): (2, "did you mean 'flight-delay'?"),
        ("score", model, *SCORE, "x.csv", "--explain", "0"): (2, "--explain 0: 2013"),
        ("score", model, *SCORE, "x.csv", "--explain", "20"): (2, "19 features; give 1 to 19"),
        ("drill", "nothing"): (2, "has no version yet"),
        ("materialise", model): (2, "has no [tables] to materialise"),
        ("materialise", "nothing"): (2, "no model named 'nothing'"),
        ("monitor", model, "--as-of", "2999-01-01"): (2, "is in the future"),
        ("monitor", "nothing"): (2, "no model named 'nothing'"),
        ("retrain", str(definition)): (2, "did you mean 'arr_delay'?"),
        ("retrain", model, "--as-of", "2999-01-01"): (2, "is in the future"),
        ("backtest", model, *PERIOD, "2999-01-01"): (2, "--to 2999-01-01 00:00 UTC is in"),
        ("backtest", "nothing", *PERIOD, "2013-05-01"): (2, "no model named 'nothing'"),
    }
    done = subprocess.run(
        [sys.executable, "-c", ASKING],
        input=json.dumps([(*words, "--json") for words in asked]),
        env=os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked), done.stderr
    for (words, (code, said)), answer in zip(asked.items(), answers, strict=True):
        assert answer["exit"] == code, (words, answer)
        assert said in answer["error"], words
        assert answer["loaded"] == [], words


def put_refused(folder: Path) -> str:
    """Publish a version that its gate refused; only its verdict matters here."""
    folder.mkdir()
    (folder / "verdict.json").write_text('{"passed": false}')
    published = publish(open_store(), folder, version_path("flight-delay", "20130801T000000Z-bad"))
    return published.version
