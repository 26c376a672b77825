"""A served base rate: a correction is taken up live, named in every answer, and kept in the log."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from servers import MODEL, Versions, alter, serving, wait_for

from bentos.followed_base_rate import list_followed, with_correction
from bentos.hot_reload import HotReload
from bentos.metrics import Metrics
from bentos.model import Model, load_folder
from flows.score import load_scorer
from tasks.core.columns import LOGGED_CORRECTION, LOGGED_PREDICTION
from tasks.core.errors import StoreError
from tasks.monitoring.skew import compare_predictions
from tasks.prediction.batch_scoring import answer_rows
from tasks.registry.corrections import Correction, read_corrections, write_correction
from tasks.registry.versions import find_version
from tasks.storage.store import Store, open_store
from tasks.training.published_model import load
from tasks.training.recalibration import shift_odds

NOW = datetime(2020, 1, 20, tzinfo=UTC)
FOLLOWS = 'follow_base_rate = "14d"\nlog_flush_s = 0.2'


@pytest.fixture
def root(versions: Versions, tmp_path: Path) -> Path:
    """Make a root with one version that follows its base rate, under its own name."""
    folder = tmp_path / "root" / "models" / MODEL
    folder.mkdir(parents=True)
    alter(versions.folder(versions.second), folder / versions.second, FOLLOWS)
    return tmp_path / "root"


def correct(store: Store, number: int, offset: float) -> None:
    given = {"number": number, "model": MODEL, "version": "v", "time": NOW, "until": NOW}
    rates = {"rows": 500, "predicted": 0.2, "observed": 0.3, "before": 0.0, "offset": offset}
    since = {"since": NOW - timedelta(days=14)}
    write_correction(store, Correction.model_validate(given | rates | since))


def ask(client: httpx.Client, question: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/predict", json=question).json()
    return answer


def ask_arrow(client: httpx.Client, rows: pl.DataFrame) -> pl.DataFrame:
    body = BytesIO()
    rows.write_ipc_stream(body, compression="uncompressed")
    kind = {"content-type": "application/vnd.apache.arrow.stream"}
    return pl.read_ipc_stream(
        client.post("/predict", content=body.getvalue(), headers=kind).content
    )


def test_correction_is_taken_up_and_named_wherever_it_is_in_an_answer(
    versions: Versions, questions: list[dict[str, Any]], root: Path, tmp_path: Path
) -> None:
    store, version = open_store(str(root)), versions.second
    model = load_folder(root / "models" / MODEL / version)
    rows = versions.rows.select(list(model.features.columns)).head(40)
    plain = model.predictor.predict(model.encode_frame(rows))
    settings = {"PERENNIAL_ROOT": str(root)}
    folder = root / "models" / MODEL / version
    with serving(tmp_path / "server", folder, **settings) as served, served.client() as client:
        assert "correction" not in ask(client, questions[0])
        assert "correction" not in client.get("/model").json()
        correct(store, 1, 0.7)
        wait_for(lambda: ask(client, questions[0]).get("correction") == 1)
        expected = shift_odds(plain, 0.7)
        for _ in range(3):  # the quick way too, once heads are known
            answers = [ask(client, question) for question in questions[:40]]
            assert [each["prediction"] for each in answers] == expected.tolist()
            assert {each["correction"] for each in answers} == {1}
        many = ask(client, questions[:40])
        assert (many["predictions"], many["correction"]) == (expected.tolist(), 1)
        arrow = ask_arrow(client, rows)
        assert arrow["prediction"].to_list() == expected.tolist()
        assert set(arrow["correction"]) == {1}
        explained = client.post("/explain", json=questions[0]).json()
        assert (explained["prediction"], explained["correction"]) == (expected[0], 1)
        assert client.get("/model").json()["correction"]["offset"] == 0.7
        store.create(f"monitoring/{MODEL}/corrections/000002.json", b"{}")
        wait_for(lambda: "000002.json: is damaged" in client.get("/readyz").json()["problem"])
        assert ask(client, questions[0])["correction"] == 1
    check_log(store, version, plain)


def check_log(store: Store, version: str, plain: np.ndarray) -> None:
    """Check that each logged row names its correction, and that the skew check goes by it."""
    parts = sorted(Path(store.root).glob("predictions/**/*.parquet"))
    logged = pl.read_parquet(parts)
    assert set(logged[LOGGED_CORRECTION].to_list()) == {None, 1}
    shutil.rmtree(Path(store.root, "monitoring", MODEL, "corrections"))
    correct(store, 1, 0.7)
    published = find_version(store, MODEL, version)
    assert published is not None
    model, known = load(store, published), read_corrections(store, MODEL)
    assert compare_predictions(model, logged, known).rows == 0
    corrected = logged.filter(pl.col(LOGGED_CORRECTION) == 1)
    assert compare_predictions(model, logged, {}).rows == len(corrected)
    assert corrected[LOGGED_PREDICTION].min() > plain.min()


def test_score_goes_by_the_newest_correction_and_names_it(versions: Versions, root: Path) -> None:
    store = open_store(str(root))
    published = find_version(store, MODEL, versions.second)
    assert published is not None
    rows = versions.rows.head(50)
    before = answer_rows(load_scorer(store, published), rows)
    assert "correction" not in before.columns
    correct(store, 1, 0.3)
    correct(store, 2, -0.4)
    after = answer_rows(load_scorer(store, published), rows)
    assert set(after["correction"]) == {2}
    expected = shift_odds(before["prediction"].to_numpy(), -0.4)
    assert after["prediction"].to_list() == expected.tolist()


def test_model_that_does_not_follow_is_left_alone(versions: Versions, root: Path) -> None:
    store = open_store(str(root))
    correct(store, 1, 0.7)
    plain = load_folder(versions.folder(versions.second))
    assert with_correction(plain, store) is plain
    assert list_followed(plain, store) == []
    follows = load_folder(root / "models" / MODEL / versions.second)
    assert list_followed(follows, store) == ["000001.json"]
    taken = with_correction(follows, store)
    assert taken.correction is not None
    assert json.loads(taken.correction.model_dump_json())["number"] == 1
    assert follows.predictor.offset == 0


def test_damaged_correction_is_refused(versions: Versions, root: Path) -> None:
    store = open_store(str(root))
    store.create(f"monitoring/{MODEL}/corrections/000001.json", b"[]")
    follows = load_folder(root / "models" / MODEL / versions.second)
    with pytest.raises(StoreError, match="is damaged"):
        with_correction(follows, store)


def test_damaged_correction_holds_no_release_back(versions: Versions, root: Path) -> None:
    store = open_store(str(root))
    own = root / "models" / MODEL
    alter(versions.folder(versions.first), own / versions.first, FOLLOWS)
    taken: list[Model] = []
    follower = HotReload(MODEL, store, Metrics(), taken.append)
    follower._model = load_folder(own / versions.first)
    versions.release(versions.first, root)
    correct(store, 1, 0.7)
    follower.look()
    assert [each.correction and each.correction.number for each in taken] == [1]
    store.create(f"monitoring/{MODEL}/corrections/000002.json", b"{}")
    versions.release(versions.second, root)
    follower.look()
    assert "000002.json: is damaged" in follower.problem
    assert (taken[-1].version, taken[-1].predictor.offset) == (versions.second, 0.7)
