"""Profiling: a snapshot in parts has the profile of its rows, and no part is profiled twice."""

from pathlib import Path

import pytest
from tables import ROWS

from tasks.analysis import snapshot_profile
from tasks.analysis.column_summary import summarise
from tasks.analysis.profile import profile_table
from tasks.analysis.snapshot_profile import profile_snapshot
from tasks.extraction.snapshot import Snapshot
from tasks.storage.local_cache import cache_folder


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    parts = tuple(tmp_path / f"part-{number}.parquet" for number in range(4))
    for number, part in enumerate(parts):
        ROWS[100 * number : 100 * number + 100].write_parquet(part)
    return Snapshot(digest="made", parts=parts, rows=len(ROWS), future_rows=0, newest=None)


def test_profile_of_parts_is_that_of_the_whole(snapshot: Snapshot, tmp_path: Path) -> None:
    found = summarise(profile_snapshot(snapshot, str(tmp_path / "root"), tmp_path))
    for name, whole in summarise(profile_table(ROWS.lazy())).items():
        part = found[name]
        assert (part.rows, part.min, part.max, part.distinct, part.top) == (
            (whole.rows, whole.min, whole.max, whole.distinct, whole.top)
        ), name
        assert part.mean == (whole.mean and pytest.approx(whole.mean))
        assert part.std == (whole.std and pytest.approx(whole.std))


def test_only_parts_that_were_never_seen_are_profiled(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, profiled = str(tmp_path / "root"), []
    before = snapshot.model_copy(update={"parts": snapshot.parts[:3]})
    profile_snapshot(before, root, tmp_path)
    monkeypatch.setattr(
        snapshot_profile, "profile_table", lambda rows: profiled.append(rows) or profile_table(rows)
    )
    grown = profile_snapshot(snapshot, root, tmp_path)
    assert len(profiled) == 1
    assert grown.columns["x"].facts.rows == len(ROWS)
    damaged = next(cache_folder(root, "profiles").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    profile_snapshot(snapshot, root, tmp_path)
    assert len(profiled) == 2
