"""A model lives on a bucket: released, served, followed, logged and scored with an s3:// root."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import s3fs
from servers import serves, wait_for

from flows.release import release
from flows.score import load_scorer, score
from tasks.processes.bento_server import find_port, is_ready
from tasks.registry.overview import describe_model
from tasks.registry.versions import find_champion
from tasks.serving.bento_client import JSON, Caller, write_rows
from tasks.storage.store import open_store, scan_options

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


@pytest.fixture
def files() -> Any:
    return s3fs.S3FileSystem(use_listings_cache=False)


@pytest.fixture
def root(released: "Released", bucket: str, files: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Move the project's root to a bucket."""
    files.put(f"{released.root}/", f"{bucket}/root/", recursive=True)
    monkeypatch.setenv("PERENNIAL_ROOT", f"{bucket}/root")
    return f"{bucket}/root"


@pytest.fixture
def port(root: str, tmp_path: Path) -> Iterator[int]:
    """Serve the champion, as a person does."""
    port = find_port()
    words = [sys.executable, "-m", "flows.cli", "serve", MODEL, "--port", str(port)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(words, stderr=log) as server:
        try:
            wait_for(lambda: is_ready(port), 60)
            yield port
        finally:
            server.terminate()


def read_bucket(uris: list[str]) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(uri, storage_options=scan_options(uri)) for uri in uris])


def test_release_is_followed_and_what_is_served_is_logged(
    root: str, port: int, released: "Released", files: Any
) -> None:
    assert serves(port) == released.older
    done = release(MODEL, released.newer, "approve", "Ada")
    assert done["archive"].startswith(f"{root}/bentos/{MODEL}/{released.newer}/")
    assert files.exists(done["archive"])
    assert describe_model(open_store(), MODEL)["champion"] == released.newer
    wait_for(lambda: serves(port) == released.newer, 60)
    rows, wanted = expect(root, files)
    with closing(Caller(port)) as caller:
        answer = json.loads(caller.post(write_rows(rows.head(50), JSON)).body)
    assert answer["predictions"] == wanted[:50].tolist()
    logs = f"{root}/predictions/**/*.parquet"
    wait_for(lambda: files.glob(logs), 60)
    logged = read_bucket([f"s3://{name}" for name in files.glob(logs)])
    assert set(logged["__version"]) == {released.newer}
    assert sorted(logged["__prediction"]) == sorted(wanted[:50].tolist())


def test_table_in_a_bucket_is_scored_into_it(root: str, bucket: str, files: Any) -> None:
    (source,) = files.glob(f"{root}/snapshots/*/part*.parquet")[:1]
    _, wanted = expect(root, files)
    for ending in ("parquet", "csv"):
        target = f"{bucket}/scored.{ending}"
        done = score(MODEL, f"s3://{source}", target, log=ending == "csv")
        read = pl.read_parquet if ending == "parquet" else pl.read_csv
        scored = read(target, storage_options=scan_options(target))
        assert done["rows"] == len(scored) == len(wanted)
        np.testing.assert_array_equal(scored["prediction"], wanted)
    logged = files.glob(f"{root}/predictions/{MODEL}/**/score-*.parquet")
    assert len(read_bucket([f"s3://{name}" for name in logged])) == len(wanted)


def expect(root: str, files: Any) -> tuple[pl.DataFrame, np.ndarray]:
    """Give raw rows of a snapshot, and what the champion's own model predicts for them."""
    store = open_store()
    champion = find_champion(store, MODEL)
    assert champion is not None
    scorer = load_scorer(store, champion)
    (source,) = files.glob(f"{root}/snapshots/*/part*.parquet")[:1]
    rows = read_bucket([f"s3://{source}"]).select(list(scorer.types))
    return rows, scorer.model.predict(rows)
