"""What nobody needs goes, and nothing else: on a real root, beside runs, and killed at any line."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from tasks.core.columns import LOGGED_PREDICTION, LOGGED_REQUEST, LOGGED_TIME, LOGGED_VERSION
from tasks.maintenance.prune import Rule, Waste, find_waste, remove_waste
from tasks.monitoring.prediction_log import read_log
from tasks.registry.ledger import append_entry
from tasks.registry.versions import get_version, list_versions, read_json
from tasks.storage.store import Store, open_store, work_folder

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=30)
ALL = Rule(versions=0, spared=timedelta(0))
PRUNED = Path(__file__).parents[2] / "torture" / "pruned.py"


def reject(store: Store, version: str) -> None:
    manifest = get_version(store, MODEL, version).digest
    kept = {"version": version, "manifest": manifest, "approver": "Ada"}
    append_entry(store, MODEL, action="reject", reason="no", **kept)


def write_log(store: Store, day: datetime, torn: bool = False) -> None:
    """Write two parts of an old day's log, and the piece that the monitor makes of them."""
    part = pl.DataFrame(
        {LOGGED_TIME: [day], LOGGED_REQUEST: ["r"], LOGGED_VERSION: ["v"], LOGGED_PREDICTION: [0.5]}
    )
    folder = Path(store.root, "predictions", MODEL, f"date={day:%Y-%m-%d}", "hour=03")
    folder.mkdir(parents=True)
    part.write_parquet(folder / "a.parquet")
    (folder / "b.parquet").write_bytes(b"torn") if torn else part.write_parquet(
        folder / "b.parquet"
    )
    with work_folder(store) as work:
        read_log(store, MODEL, day - timedelta(days=1), day + timedelta(days=9), work)


@pytest.fixture
def untidy(released: "Released") -> Store:
    """Leave behind in a root one of each kind of what nobody needs."""
    store = open_store()
    reject(store, released.newer)
    write_log(store, datetime(2020, 3, 1, tzinfo=UTC))
    for path in (
        *(f"tables/{MODEL}/0123/v1/tables.json", f"monitoring/{MODEL}/yardsticks/old/rows"),
        *(f"monitoring/{MODEL}/champions/old-0123456789/rows", "tmp/bins/x-0123"),
    ):
        Path(store.root, path).parent.mkdir(parents=True, exist_ok=True)
        Path(store.root, path).write_text("12345")
    return store


def kinds(found: list[Waste]) -> dict[str, int]:
    return {each.kind: sum(e.kind == each.kind for e in found) for each in found}


def test_what_nobody_needs_is_found_with_its_bytes_and_removed(
    released: "Released", untidy: Store
) -> None:
    found = find_waste(untidy, ALL, LATER)
    once = {"version": 1, "snapshot": 1, "log copy": 1, "tables": 1, "cache": 1}
    assert kinds(found) == once | {"monitoring": 2}
    assert [each.bytes for each in found if each.kind == "tables"] == [5]
    assert all(each.bytes > 0 and each.why for each in found)
    before = untidy.size("")
    assert list(remove_waste(untidy, found, ALL)) == found
    assert before - untidy.size("") == pytest.approx(sum(each.bytes for each in found), abs=99)
    assert list(list_versions(untidy, MODEL)) == [released.older]
    assert find_waste(untidy, ALL, LATER) == []
    with work_folder(untidy) as work:
        asked = read_log(untidy, MODEL, datetime(2020, 1, 1, tzinfo=UTC), LATER, work)
    assert asked.rows == {"v": 2}


def test_what_is_new_waits_or_was_released_stays(released: "Released") -> None:
    store = open_store()
    assert find_waste(store, ALL, LATER) == []  # the newer one waits
    reject(store, released.newer)
    assert find_waste(store, Rule(versions=1, spared=timedelta(0)), LATER) == []
    assert find_waste(store, Rule(versions=0), NOW) == []
    assert {each.kind for each in find_waste(store, ALL, LATER)} == {"version", "snapshot"}


def test_version_that_is_needed_again_stays_with_its_snapshot(
    released: "Released", untidy: Store
) -> None:
    found = find_waste(untidy, ALL, LATER)
    gone = list(remove_waste(untidy, found, Rule(versions=2, spared=timedelta(0))))
    assert {"version", "snapshot"}.isdisjoint(kinds(gone))
    assert released.newer in list_versions(untidy, MODEL)


def test_snapshot_that_a_run_reads_stays(released: "Released", untidy: Store) -> None:
    version = get_version(untidy, MODEL, released.newer)
    digest = read_json(untidy, version, "lineage.json")["snapshot"]
    reading = (
        "import sys; from pathlib import Path; from tasks.storage.store import open_store;"
        f"open_store().fetch('snapshots/{digest}', Path('.')); print('reads', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", reading], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"reads\n"
        gone = list(remove_waste(untidy, find_waste(untidy, ALL, LATER), ALL))
        assert kinds(gone)["version"] == 1
        assert "snapshot" not in kinds(gone)
        run.communicate(b"\n", timeout=30)
    assert kinds(list(remove_waste(untidy, find_waste(untidy, ALL, LATER), ALL))) == {"snapshot": 1}


def test_part_that_no_piece_could_read_is_kept(released: "Released") -> None:
    store = open_store()
    write_log(store, datetime(2020, 3, 1, tzinfo=UTC), torn=True)
    (copy,) = find_waste(store, ALL, LATER)
    assert copy.path.endswith("a.parquet")


def test_root_is_whole_wherever_prune_is_killed(untidy: Store, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    ran = subprocess.run(
        [sys.executable, str(PRUNED), untidy.root, str(tmp_path / "copies"), "25"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 100
