"""A source that becomes another one while it is read is never what a run goes by."""

import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
import s3fs
from faults import FaultyS3
from polars.testing import assert_frame_equal
from tables import ROWS, START, Project, write_file

from flows.backtest_candidates import Past, make
from flows.retrain import find_done
from tasks.backtest.replay import read_history
from tasks.core.errors import SourceChanged
from tasks.extraction import partitions, snapshot, snapshot_parts
from tasks.extraction.snapshot_parts import make_part
from tasks.extraction.task import extract
from tasks.feature_store import materialise
from tasks.feature_store.materialise import make_tables
from tasks.maintenance.reproduce import extract_again
from tasks.sources.query import collect, open_table
from tasks.storage.store import open_store

OTHER = ROWS.with_columns(x=-pl.col("x"))
SAID = r"\[sources\] s changed while it was read; run again: .*s.*\.\w+ is not what it was"
TABLES = {
    "sources": 's = "s.parquet"\ne = "e.parquet"',
    "extract": 'query = "SELECT * FROM s"\ntime = "t"\nkey = ["id"]',
    "tables.e": 'source = "e"\nentity = ["c"]\ntime = "t"\nover = "2d"\n'
    'values = { seen = "SUM(x)" }',
}
Change = Callable[[pl.DataFrame, Path], None]


def replace(rows: pl.DataFrame, file: Path) -> None:
    """Put a file in another's place by a rename, as careful writers do."""
    beside = file.with_name(f"next{file.suffix}")
    write_file(rows, beside)
    beside.replace(file)


def rewrite(rows: pl.DataFrame, file: Path) -> None:
    """Write into the file itself, and give it the time that it had."""
    was = file.stat()
    write_file(rows, file)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def append(rows: pl.DataFrame, file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


def remove(rows: pl.DataFrame, file: Path) -> None:
    file.unlink()


def before(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str, *changes: Callable[[], object]
) -> None:
    """Let something happen before a step is taken: one thing each time that it is."""
    real, left = getattr(module, step), list(changes)

    def take(*arguments: Any, **named: Any) -> Any:
        if left:
            left.pop(0)()
        return real(*arguments, **named)

    monkeypatch.setattr(module, step, take)


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
@pytest.mark.parametrize("change", [replace, rewrite, append, remove])
@pytest.mark.parametrize("step", ["recall_parts", "describe_snapshot"])
def test_source_that_changes_under_the_extraction_is_refused(
    made: Project, monkeypatch: pytest.MonkeyPatch, kind: str, change: Change, step: str
) -> None:
    made.write({f"s.{kind}": ROWS.drop("t")})
    plan = made.plan(sources=f's = "s.{kind}"', extract='key = ["id"]')
    before(monkeypatch, snapshot, step, lambda: change(OTHER, made.folder / f"s.{kind}"))
    with pytest.raises(SourceChanged, match=SAID):
        extract.fn(plan, made.folder)


def test_source_that_changed_since_the_plan_is_refused(made: Project) -> None:
    made.write(ROWS)
    plan = made.plan()
    made.write(OTHER)
    with pytest.raises(SourceChanged, match=SAID):
        extract.fn(plan, made.folder)


def test_file_that_is_delivered_anew_as_it_was_is_read_once_more(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write(ROWS)
    plan, file = made.plan(), made.folder / "s.parquet"
    before(monkeypatch, snapshot, "recall_parts", lambda: replace(OTHER, file))
    before(monkeypatch, snapshot_parts, "find_partitions", lambda: replace(ROWS, file))
    assert_frame_equal(extract.fn(plan, made.folder).scan().collect(), ROWS)
    before(monkeypatch, snapshot, "recall_parts", file.touch, file.touch)
    (other := made.folder / "other").mkdir()
    with pytest.raises(SourceChanged, match=SAID):
        extract.fn(plan, other)


def test_files_of_a_glob_that_come_or_go_are_noticed(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write({"s-1.parquet": ROWS[:200], "s-2.parquet": ROWS[200:]})
    plan = made.plan(sources='s = "s-*.parquet"')
    late, folders = made.folder / "s-3.parquet", [made.folder / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    before(monkeypatch, snapshot, "recall_parts", lambda: ROWS.write_parquet(late))
    assert extract.fn(plan, folders[0]).rows == 400  # what was listed is what was read
    with pytest.raises(SourceChanged, match=SAID):
        extract.fn(plan, folders[1])
    late.unlink()
    before(monkeypatch, snapshot, "recall_parts", (made.folder / "s-2.parquet").unlink)
    with pytest.raises(SourceChanged, match=r"s-2.parquet is not what it was"):
        extract.fn(plan, folders[2])


def test_events_of_feature_tables_that_change_are_noticed(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, file = ROWS.select("c", "t", "x"), made.folder / "e.parquet"
    made.write({"s.parquet": ROWS, "e.parquet": events})
    plan = made.plan(**TABLES)
    said = r"\[sources\] e changed while it was read; run again: .*e.parquet"
    before(monkeypatch, materialise, "collect_table", lambda: replace(events[:9], file))
    (folder := made.folder / "tables").mkdir()
    with pytest.raises(SourceChanged, match=said):
        make_tables(plan.definition, made.folder, None, open_store(), folder)
    with pytest.raises(SourceChanged, match=said):
        extract.fn(plan, made.folder)


def test_part_that_a_worker_read_of_a_changed_file_does_not_count(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_ROWS", 1)
    made.write({"s-1.parquet": ROWS[:200], "s-2.parquet": ROWS[200:]})
    plan = made.plan(sources='s = "s-*.parquet"')
    table = open_table(plan.definition, plan.project)
    first, _ = partitions.find_partitions(plan.definition, table, plan.sources)
    assert not isinstance(make_part(plan, first, {"s": first.files}), str)
    file = made.folder / "s-1.parquet"
    before(monkeypatch, snapshot_parts, "write_partition", lambda: replace(OTHER[:200], file))
    assert "changed while it was read" in str(make_part(plan, first, {"s": first.files}))


def test_whoever_reads_hears_of_a_change(made: Project) -> None:
    made.write(ROWS)
    plan = made.plan()
    table = open_table(plan.definition, plan.project)
    past = Past("made.toml", plan, ROWS, (), [], made.folder)
    assert len(collect(table, table.rows)) == 400
    replace(OTHER, made.folder / "s.parquet")
    with pytest.raises(SourceChanged, match=SAID):
        collect(table, table.rows)
    with pytest.raises(SourceChanged, match=SAID):
        read_history(plan, START.replace(tzinfo=UTC))
    with pytest.raises(SourceChanged, match=r"\[sources\] s changed while it was replayed"):
        make(past, open_store(), START.replace(tzinfo=UTC) + timedelta(days=9))


def test_snapshot_that_is_extracted_again_is_guarded_too(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write(ROWS)
    plan, file = made.plan(), made.folder / "s.parquet"
    before(monkeypatch, snapshot, "write_parts", lambda: replace(OTHER, file))
    with pytest.raises(SourceChanged, match=SAID):
        extract_again(plan, made.folder / "again")


def test_source_is_digested_once_in_a_run(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_ROWS", 1)
    made.write({"s-1.parquet": ROWS[:200], "s-2.parquet": ROWS[200:]})
    time.sleep(0.15)  # a file just written is not known by its stat
    digested, real = [], hashlib.file_digest

    def digest(file: Any, kind: Any) -> Any:
        digested.append(file.name.name if isinstance(file.name, Path) else file.name)
        return real(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", digest)
    plan = made.plan(sources='s = "s-*.parquet"')
    assert find_done("made.toml") is None
    extract.fn(plan, made.folder)
    assert sorted(Path(each).name for each in digested) == ["s-1.parquet", "s-2.parquet"]


def test_object_that_is_replaced_is_noticed_and_asked_for_once(
    made: Project, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = s3fs.S3FileSystem(use_listings_cache=False)

    def upload(rows: pl.DataFrame) -> None:
        made.write(rows)
        files.put_file(str(made.folder / "s.parquet"), f"{bucket}/s-1.parquet")

    upload(ROWS)
    with FaultyS3(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        for uri, heads in ((f"{bucket}/s-*.parquet", 1), (f"{bucket}/s-1.parquet", 3)):
            server.requests.clear()
            plan = made.plan(sources=f's = "{uri}"', as_of=START + timedelta(days=9))
            (folder := made.folder / str(heads)).mkdir()
            extract.fn(plan, folder)
            asked = [path for method, path in server.requests if method == "HEAD" and "s-1" in path]
            assert len(asked) == heads  # one where it is not listed, and one at the end
        before(monkeypatch, snapshot, "describe_snapshot", lambda: upload(OTHER))
        with pytest.raises(SourceChanged, match=SAID):
            extract.fn(plan, made.folder)
