"""The functions of `import perennial` do what the commands do, and say what `--json` says."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import perennial
from perennial import PerennialError

Run = Callable[..., tuple[int, str, str]]


def test_status_show_and_history_return_what_the_commands_print(
    released: Any, run_here: Run
) -> None:
    version = released.older
    pairs: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        (perennial.status(), ("status",)),
        (perennial.status("flight-delay"), ("status", "flight-delay")),
        (perennial.show("flight-delay", version[:8]), ("show", "flight-delay", version[:8])),
        (perennial.history("flight-delay"), ("history", "flight-delay")),
        (perennial.diff("flight-delay"), ("diff", "flight-delay")),
        (perennial.retrain("flight-delay", "2013-07-01"), ("retrain", "flight-delay",
                                                           "--as-of", "2013-07-01")),
    ]  # fmt: skip
    for returned, words in pairs:
        assert returned == json.loads(run_here(*words, "--json")[1])


def test_champion_predicts_rows_in_memory_as_it_scores_a_table(
    released: Any, tmp_path: Path
) -> None:
    champion = perennial.load("flight-delay")
    rows = read_snapshot(released).head(20)
    rows.write_parquet(tmp_path / "rows.parquet")
    done = perennial.score(
        "flight-delay", str(tmp_path / "rows.parquet"), str(tmp_path / "scored.parquet")
    )
    scored = pl.read_parquet(tmp_path / "scored.parquet")
    assert done["version"] == champion.version == released.older
    assert champion.predict(rows).equals(scored)
    assert perennial.predict("flight-delay", rows.to_dicts()).equals(scored)
    assert set(champion.columns) <= set(rows.columns)
    assert "carrier" in champion.features


def read_snapshot(released: Any) -> pl.DataFrame:
    (lineage,) = released.root.glob(f"models/*/{released.older}/lineage.json")
    digest = json.loads(lineage.read_text())["snapshot"]
    return pl.read_parquet(released.root / "snapshots" / digest / "*.parquet")


def test_decisions_are_taken_as_by_the_command_line(released: Any) -> None:
    done = perennial.reject("flight-delay", released.newer, "Ada", "not today")
    assert done["action"] == "reject"
    with pytest.raises(PerennialError, match="rejected"):
        perennial.approve("flight-delay", released.newer, "Ada", "after all")
    with pytest.raises(PerennialError, match=r"no earlier champion|champion before"):
        perennial.rollback("flight-delay", "Ada", "too many alarms")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: perennial.retrain("flight-delai"), "did you mean 'flight-delay'"),
        (lambda: perennial.retrain("flight-delay", datetime(2999, 1, 1)), "is in the future"),
        (lambda: perennial.load("flight-delay"), "has no version yet"),
        (lambda: perennial.score("flight-delay", "a.csv", "b.txt"), "must end in .parquet"),
    ],
)
def test_what_a_command_refuses_is_an_error_in_its_words(
    project: Path, act: Callable[[], Any], said: str
) -> None:
    with pytest.raises(PerennialError, match=said):
        act()
