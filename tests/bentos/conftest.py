"""Two small versions, made by the plain training functions, and a server that most tests ask."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from any_model import make_model, make_odd_model
from connections import Connection, Open
from made_once import make_once
from servers import MODEL, TOKEN, Served, Versions, alter, make_version, serving, to_json

from bentos.app import PredictionApp
from bentos.metrics import Metrics
from bentos.model import Model, load_folder
from bentos.prediction_log_writer import PredictionLog

TIMES = (datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def versions(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Train twice, once for all processes; each works on a copy, for some tests release."""
    made = make_once(tmp_path_factory, "served", partial(make_versions, few_flights))
    root = tmp_path_factory.mktemp("served") / "root"
    shutil.copytree(made / "root", root)
    names = (made / "versions.txt").read_text().split()
    parts = sorted(root.glob("snapshots/*/*.parquet"))
    rows = pl.read_parquet(parts).sort("time_hour").tail(400)
    return Versions(root, names[0], names[1], rows)


def make_versions(few_flights: Path, folder: Path) -> None:
    """Train without Prefect's engine."""
    import flows.retrain as steps

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(few_flights)
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
            patch.setattr(steps, name, getattr(steps, name).fn)
        names = [make_version(steps, when) for when in TIMES]
    (folder / "versions.txt").write_text("\n".join(names))


@pytest.fixture(scope="session")
def served(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Run the server that most tests ask; its log parts lie in a root of its own."""
    folder = tmp_path_factory.mktemp("server")
    model = versions.folder(versions.second)
    with serving(folder, model, PERENNIAL_ROOT=str(folder / "root")) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def questions(versions: Versions) -> list[dict[str, Any]]:
    """Give raw rows as JSON holds them: only the columns that features need."""
    columns = load_folder(versions.folder(versions.second)).features.columns
    return [to_json(row) for row in versions.rows.select(list(columns)).iter_rows(named=True)]


@pytest.fixture(scope="session")
def strict(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with a token, few requests at once, small bodies and little patience."""
    folder = tmp_path_factory.mktemp("strict")
    limits = "concurrency = 1\nmax_body_mb = 4.0\ntimeout_s = 0.5\nlog = false"
    limits += '\nhosts = ["listed.example"]'
    model = alter(versions.folder(versions.second), folder / "model", limits)
    given = {"PERENNIAL_FOLLOW": MODEL, "PERENNIAL_HOSTS": "named.example, models"}
    with serving(
        folder / "server", model, PERENNIAL_TOKEN=TOKEN, PERENNIAL_ROOT="", **given
    ) as running:
        yield running


@pytest.fixture(scope="session")
def classes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    model = make_model(folder, 'value = "c"\nkind = "multiclass"')
    return folder / "root" / "models" / model.name / model.version


@pytest.fixture(scope="session")
def classes(classes_folder: Path) -> Model:
    return load_folder(classes_folder)


@pytest.fixture(scope="session")
def amount(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make_model(tmp_path_factory.mktemp("amount"), 'value = "k"\nkind = "regression"')


@pytest.fixture(scope="session")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the files of a version whose columns have odd names."""
    folder = tmp_path_factory.mktemp("odd")
    model = make_odd_model(folder)
    return folder / "root" / "models" / model.name / model.version


@pytest.fixture(scope="session")
def odd(odd_folder: Path) -> Model:
    return load_folder(odd_folder)


@pytest.fixture(scope="session")
def binary(versions: Versions) -> Model:
    return load_folder(versions.folder(versions.second))


@pytest.fixture
def connect() -> Iterator[Open]:
    loop, opened = asyncio.new_event_loop(), []

    def connect(app: PredictionApp, **options: Any) -> Connection:
        opened.append(Connection(loop, app, **options))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()
    loop.close()


@pytest.fixture
def app(classes: Model) -> PredictionApp:
    metrics = Metrics()
    return PredictionApp(classes, metrics, PredictionLog(None, metrics))
