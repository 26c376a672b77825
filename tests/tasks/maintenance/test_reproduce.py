"""A version is made again from its lineage, and what differs is named."""

import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.errors import StoreError
from tasks.maintenance import reproduce as reproduction
from tasks.maintenance.reproduce import Reproduction, reproduce_version
from tasks.registry.versions import find_version
from tasks.storage.store import open_store
from tasks.training import optuna_search

Retrain = Callable[..., dict[str, Any]]
SOURCE = "data/nycflights13/flights-2013-01.parquet"


@pytest.fixture
def reproduce(
    retrained: dict[str, Any], project: Path, tmp_path: Path
) -> Callable[[], Reproduction]:
    """Give what makes a version of the project again."""
    version, store = retrained["version"], open_store()
    published = find_version(store, "flight-delay", version)
    assert published is not None
    tries = iter(range(9))

    def run() -> Reproduction:
        folder = tmp_path / f"again-{next(tries)}"
        folder.mkdir()
        return reproduce_version(store, published, folder, project)

    return run


def test_version_is_made_again_byte_for_byte_from_its_lineage(
    reproduce: Callable[[], Reproduction], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only other versions need (a tuner, a cluster, a compiler, a database) may be missing."""
    monkeypatch.setattr(optuna_search, "version", raise_not_found)
    for name in ("optuna", "distributed", "llvmlite", "adbc_driver_postgresql"):
        monkeypatch.setitem(sys.modules, name, None)
    found = reproduce()
    assert found.reproduced
    assert set(found.same) >= {
        "model.txt", "twin.txt", "vocabulary.json", "evaluation.json", "example_rows.json",
    }  # fmt: skip
    assert found.causes == ()


def raise_not_found(name: str) -> str:
    raise PackageNotFoundError(name)


def test_changed_source_is_named_and_the_kept_snapshot_still_serves(
    reproduce: Callable[[], Reproduction], project: Path
) -> None:
    rows = pl.read_parquet(project / SOURCE)
    rows.head(10).write_parquet(project / SOURCE)
    found = reproduce()
    assert found.reproduced
    assert found.causes == (
        "data: source 'flights' has changed since; its snapshot was taken instead",
    )


def test_lost_snapshot_is_extracted_anew_while_its_sources_are_the_same(
    reproduce: Callable[[], Reproduction], project: Path, tmp_path: Path
) -> None:
    for part in (tmp_path / "root" / "snapshots").rglob("*"):
        if part.is_file():
            part.unlink()
    assert reproduce().reproduced
    pl.read_parquet(project / SOURCE).head(10).write_parquet(project / SOURCE)
    with pytest.raises(StoreError, match="source 'flights' is no longer what it was made of"):
        reproduce()


def test_another_machine_is_named(
    reproduce: Callable[[], Reproduction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.platform", lambda: "another system")
    (cause,) = reproduce().causes
    assert cause.startswith("machine: it was made on ")


def test_other_packages_code_and_threads_and_lost_sources_are_named(
    reproduce: Callable[[], Reproduction], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    shutil.rmtree(project / "data")
    monkeypatch.setattr(reproduction, "package_versions", lambda: {"polars": "0.1"})
    monkeypatch.setattr(reproduction, "maker_digest", lambda: "other")
    monkeypatch.setattr(reproduction, "model_parameters", lambda *_: {"num_threads": 7})
    causes = "\n".join(reproduce().causes)
    assert re.search(r"^package: polars was \S+ and is 0.1 now$", causes, re.MULTILINE)
    assert re.search(r"^package: lightgbm was \S+ and is missing now$", causes, re.MULTILINE)
    assert "code: Perennial's own modules are not those that made it" in causes
    assert "data: the sources cannot be read any more: [sources] flights: " in causes
    assert "machine: LightGBM had 2 threads and has 7 here; set [training] threads" in causes


def test_model_that_was_not_fitted_once_more_is_made_again(
    retrain: Retrain, definition_file: Path, project: Path, tmp_path: Path
) -> None:
    definition_file.write_text(definition_file.read_text() + "refit = false\n")
    store, version = open_store(), retrain()["version"]
    published = find_version(store, "flight-delay", version)
    assert published is not None
    (tmp_path / "again").mkdir()
    found = reproduce_version(store, published, tmp_path / "again", project)
    assert found.reproduced
    assert "twin.txt" not in found.same
