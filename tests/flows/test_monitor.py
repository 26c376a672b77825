"""The monitor's flow over real answers: what it finds, what it tells, and what it survives."""

import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from faults import small_disk
from polars.testing import assert_frame_equal
from prefect.settings import PREFECT_API_URL, temporary_settings
from receivers import receiving
from watched import AS_OF, MODEL, UNTIL, Found, Watched, look, make_watched, read_payloads

import flows.monitor as steps
from bentos.metrics import Metrics
from bentos.model import load_folder
from bentos.prediction_log_writer import PredictionLog
from flows import cli
from flows.score import load_scorer, publish_log
from tasks.alarms.drift_decision import Alarm
from tasks.core.errors import PerennialError
from tasks.monitoring import root_causes
from tasks.monitoring.context import MonitoringContext, settle_watch
from tasks.monitoring.findings import find_alerts
from tasks.monitoring.looks import list_looks, read_looks
from tasks.monitoring.staleness import find_staleness
from tasks.prediction.batch_scoring import score_table
from tasks.registry.versions import get_version
from tasks.reports.monitoring import write_page
from tasks.serving.request_counts import Counters, write_counters
from tasks.sources.query import open_table
from tasks.storage.store import Store, open_store


@pytest.fixture(scope="module")
def watched_once(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return make_watched(few_flights, tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def referenced_once(watched_once: Watched, prefect_harness: None) -> Watched:
    """Look once, so that the champion's reference is computed for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(watched_once.project)
        patch.setenv("PERENNIAL_ROOT", str(watched_once.root))
        path = watched_once.log()
        look(UTC_START)
        shutil.rmtree(path.parents[1])
        shutil.rmtree(watched_once.root / "monitoring" / MODEL / "pieces")
    return watched_once


UTC_START = datetime(2013, 6, 2, tzinfo=UTC)
KEY = ("time_hour", "carrier", "flight", "origin")


@pytest.fixture
def watched(referenced_once: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    copied = referenced_once.copy(tmp_path)
    monkeypatch.chdir(copied.project)
    monkeypatch.setenv("PERENNIAL_ROOT", str(copied.root))
    return copied


def kinds(found: Found) -> dict[str, str]:
    return {each["kind"]: each["state"] for each in found["events"]}


def test_answers_are_joined_measured_estimated_and_compared(watched: Watched) -> None:
    watched.log()
    found = look()
    rows = watched.answers.filter(pl.col("time_hour") <= UNTIL)
    assert found["rows"] == {watched.version: len(rows)}
    outcomes = found["outcomes"]
    assert outcomes["labelled"] > 0.9 * len(rows)
    assert outcomes["unknown"] == outcomes["again"] == outcomes["twice"] == 0
    assert 0.5 < found["quality"]["value"] < 0.9
    assert found["quality"]["gain"]["low"] < found["quality"]["gain"]["value"]
    store = open_store()
    (kept,) = read_looks(store, MODEL, list_looks(store, MODEL)[-1:]).values()
    assert (kept.until, kept.quality.value) == (UNTIL, found["quality"]["value"])
    assert f"{store.root}/{kept.report}" == found["report"]
    assert abs(found["estimate"]["auc"] - found["quality"]["value"]) < 0.15
    assert found["estimate_off"] is not None
    assert found["skew"]["predictions"]["rows"] == 0
    assert all(each["rows"] == 0 for each in found["skew"]["columns"])
    assert all(each["passed"] for each in found["checks"])
    page = Path(found["report"]).read_text()
    assert "Quality over time" in page
    assert "Drift by feature" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_scored_rows_are_logged_as_served_ones_and_get_the_same_live_quality(
    watched: Watched, tmp_path: Path
) -> None:
    store, table = open_store(), tmp_path / "rows.parquet"
    plan = settle_watch(MODEL, UNTIL)
    assert isinstance(plan, MonitoringContext)
    made = open_table(plan.definition, plan.project)
    assert made.time is not None
    rows = made.rows.filter(made.time > AS_OF, made.time <= UNTIL).drop("arr_delay").collect()
    rows.write_parquet(table)
    logs, seen = [], []
    for log in (log_by_scoring, log_by_serving):
        for folder in ("predictions", "monitoring"):
            shutil.rmtree(watched.root / folder / MODEL / "pieces", ignore_errors=True)
        shutil.rmtree(watched.root / "predictions", ignore_errors=True)
        log(watched, store, table, tmp_path)
        parts = (watched.root / "predictions" / MODEL).rglob("*.parquet")
        logs.append(pl.read_parquet(list(parts)).sort(*KEY))
        seen.append(look())
    told = pl.exclude("__time", "__request")
    assert_frame_equal(logs[0].select(told), logs[1].select(told), check_exact=True)
    assert logs[0].schema == logs[1].schema
    scored, served = seen
    assert scored["outcomes"]["labelled"] > 0.9 * len(rows)
    assert scored["outcomes"]["keyless"] == scored["outcomes"]["unknown"] == 0
    assert scored["quality"] == served["quality"]
    assert 0.5 < scored["quality"]["value"] < 0.9
    assert scored["skew"]["predictions"]["rows"] == 0


def log_by_scoring(watched: Watched, store: Store, table: Path, folder: Path) -> None:
    (work := folder / "work").mkdir()
    (work / "log").mkdir()
    champion = get_version(store, MODEL, watched.version)
    target = str(folder / "scored.parquet")
    score_table(load_scorer(store, champion), str(table), target, work, work / "log")
    publish_log(store, MODEL, work)


def log_by_serving(watched: Watched, store: Store, table: Path, folder: Path) -> None:
    model, metrics = load_folder(watched.root / "models" / MODEL / watched.version), Metrics()
    log = PredictionLog(store, metrics)
    buffer = BytesIO()
    pl.read_parquet(table).select(list(model.schema.types)).write_ipc_stream(buffer)
    frame = model.schema.decode_arrow(buffer.getvalue()).rows
    assert isinstance(frame, pl.DataFrame)
    predicted = model.predictor.predict(model.encode_frame(frame)).tolist()
    log.add(model, frame, predicted, ["r"] * len(predicted))
    log.start()
    log.stop()
    assert metrics.logged == len(predicted)


def test_new_data_is_told_once_and_again_when_no_server_heard(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.log()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert kinds(look())["new-data"] == "not heard"
    assert kinds(look())["new-data"] == "raised"
    assert kinds(look())["new-data"] == "known"
    told = read_payloads("new-data")[0]["found"]
    assert told["champion"] == watched.version
    assert told["rows"] >= told["needed"]


def test_look_at_the_past_tells_nothing(watched: Watched) -> None:
    watched.log()
    look(UNTIL)
    for told in (watched.root / "monitoring" / MODEL / "raised").glob("*.json"):
        told.unlink()
    past = look(UNTIL - timedelta(days=1))["events"]
    assert {each["state"] for each in past} == {"held back"}
    assert "the newest look was as of 2013-07-31 00:00 UTC" in past[0]["detail"]
    assert set(kinds(look(UNTIL)).values()) == {"raised"}


def test_look_that_went_well_is_known_elsewhere(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the past is not, nor one of which nobody could be told what there was to tell."""
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_PING_URL", f"http://{there.place}/{{model}}")
        look(UNTIL)
        assert there.called == []
        steps.monitor(MODEL)
        assert there.called == [f"/{MODEL}"]
        there.status = 500
        monkeypatch.setenv("PERENNIAL_ALERTS_URL", f"http://{there.place}/")
        steps.monitor(MODEL)
        assert there.bodies
        assert len(there.called) == 1


def test_world_that_turned_is_told_with_its_numbers(watched: Watched) -> None:
    turned = watched.answers.with_columns((1 - pl.col("__prediction")).alias("__prediction"))
    watched.log(turned)
    found = look()
    assert found["quality"]["lost"]
    assert kinds(found)["quality-lost"] == "raised"
    (payload,) = read_payloads("quality-lost")
    assert payload["found"]["value"] == found["quality"]["value"]
    assert "predictions are not what the training path gives" in str(found["events"])


def test_champion_is_held_against_what_a_quick_model_learned_since(watched: Watched) -> None:
    other = watched.root / "monitoring" / MODEL / "yardsticks" / "another" / "old.json"
    other.parent.mkdir(parents=True)
    other.write_text("of a champion that was replaced")
    first, second = look(datetime(2013, 7, 1, tzinfo=UTC)), look()
    assert not other.parent.exists()
    assert first["behind"]["problem"].startswith("a challenger was trained")
    assert second["behind"]["as_of"].startswith("2013-07-01")
    assert second["behind"]["rows"] > 100
    assert second["behind"]["lost"] == ""
    assert "quality-lost" not in kinds(second)


def test_champion_that_fell_behind_is_told(watched: Watched) -> None:
    for file in (watched.project / "data" / "nycflights13").glob("flights-*"):
        turned = pl.read_parquet(file).with_columns((30 - pl.col("arr_delay")).alias("arr_delay"))
        turned.write_parquet(file)
    look(datetime(2013, 7, 1, tzinfo=UTC))
    found = look()
    assert found["behind"]["lost"].startswith("auc of a quick model is better by")
    assert kinds(found)["quality-lost"] == "raised"
    told = read_payloads("quality-lost", found["behind"]["lost"])[0]["found"]["behind"]
    assert told["rows"] == found["behind"]["rows"]
    assert "has fallen behind a quick model" in Path(found["report"]).read_text()


def test_labels_that_became_text_are_told(watched: Watched) -> None:
    watched.log(watched.answers.head(200))
    for file in (watched.project / "data" / "nycflights13").glob("flights-*"):
        text = pl.read_parquet(file).with_columns(pl.lit("late").alias("arr_delay"))
        text.write_parquet(file)
    found = look()
    (reason,) = (each["reason"] for each in found["events"] if each["kind"] == "data-broken")
    assert reason.startswith("the sources cannot be read: ")
    assert "[target] value: cannot compare string" in reason
    assert reason.removeprefix("the sources cannot be read: ") in Path(found["report"]).read_text()


def test_torn_empty_and_foreign_parts_are_named_and_skipped(watched: Watched) -> None:
    half = watched.answers.head(200)
    whole = watched.log(half)
    data = whole.read_bytes()
    (whole.parent / "torn.parquet").write_bytes(data[: len(data) // 2])
    (whole.parent / "empty.parquet").write_bytes(b"")
    half.drop("__version").write_parquet(whole.parent / "foreign.parquet")
    for _ in range(2):  # the second time from what was kept
        found = look()
        assert sum(found["rows"].values()) == 200
        said = "\n".join(found["warnings"])
        for name, why in (
            ("torn", "cannot be read"),
            ("empty", "is empty"),
            ("foreign", "lacks __version"),
        ):
            assert f"{name}.parquet" in said
            assert why in said


def test_labels_twice_late_and_of_unknown_keys_are_counted(watched: Watched) -> None:
    rows = watched.answers
    strangers = rows.head(7).with_columns(pl.col("flight") + 20_000)
    keyless = rows.head(5).with_columns(pl.lit(None, pl.Int16).alias("flight"))
    again = rows.head(9).with_columns(
        pl.col("__time").dt.offset_by("5h"), pl.lit(0.5).alias("__prediction")
    )
    types = rows.schema
    watched.log(pl.concat([rows, *(each.cast(types) for each in (strangers, keyless, again))]))
    july = watched.project / "data" / "nycflights13" / "flights-2013-07.parquet"
    flights = pl.read_parquet(july)
    pl.concat([flights, flights.tail(11)]).write_parquet(july)
    found = look(datetime(2013, 8, 1, tzinfo=UTC))
    outcomes = found["outcomes"]
    assert (outcomes["unknown"], outcomes["keyless"], outcomes["again"]) == (7, 5, 9)
    assert outcomes["twice"] == 11
    assert outcomes["overdue"] > 0  # cancelled flights never arrive
    assert not next(each for each in found["checks"] if each["name"] == "labels twice")["passed"]
    reasons = [each["reason"] for each in found["events"] if each["kind"] == "data-broken"]
    assert any("labels twice" in reason for reason in reasons)


def test_version_is_kept_apart_and_strangers_do_not_count_for_the_champion(
    watched: Watched,
) -> None:
    other = watched.answers.with_columns(
        pl.lit("another").alias("__version"), pl.lit(0.5).alias("__prediction")
    )
    watched.log(watched.answers)
    watched.log(other.drop("temp"), "other.parquet")
    models = watched.root / "models" / MODEL
    shutil.copytree(models / watched.version, models / "another")
    (models / "another" / "lineage.json").write_text("damaged, which only its own release minds")
    found = look()
    measured = {each["version"]: each["metrics"] for each in found["versions"]}
    assert measured["another"]["auc"] == 0.5
    assert measured[watched.version]["auc"] == pytest.approx(found["quality"]["value"])
    assert found["skew"]["predictions"]["compared"] == found["drift"]["rows"]


def test_source_that_disappears_is_told_and_the_rest_still_looked_at(watched: Watched) -> None:
    watched.log()
    (watched.project / "data" / "nycflights13" / "weather.parquet").unlink()
    found = look()
    assert found["outcomes"]["labelled"] == 0
    assert found["new_data"] is None
    assert found["drift"]["rows"] > 100
    assert found["skew"]["predictions"]["rows"] == 0
    reasons = [each["reason"] for each in found["events"] if each["kind"] == "data-broken"]
    assert any("weather.parquet" in reason for reason in reasons)


def test_what_needs_a_person_is_told_once_with_its_report(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.log()
    (watched.project / "data" / "nycflights13" / "weather.parquet").unlink()
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_ALERTS_URL", f"http://{there.place}/")
        found, again = look(), look()
        told = [each for each in there.texts if "data broken" in each]
    reasons = [each["reason"] for each in found["events"] if each["kind"] == "data-broken"]
    assert len(told) == len(reasons) > 0
    assert any(reasons[0] in each and found["report"] in each for each in told)
    assert {each["state"] for each in again["events"]} == {"known"}


def test_snapshot_that_is_gone_leaves_nothing_to_compare_with_and_says_so(
    watched: Watched,
) -> None:
    watched.log()
    shutil.rmtree(watched.root / "snapshots")
    shutil.rmtree(watched.root / "monitoring" / MODEL / "champions")
    found = look()
    assert found["quality"] is None
    assert found["versions"][0]["metrics"]["auc"] > 0.5
    assert any("is gone: nothing to compare with" in each for each in found["warnings"])


def test_clock_that_is_ahead_is_told_and_its_rows_count(watched: Watched) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    watched.log(
        watched.answers.with_columns(pl.lit(ahead).cast(pl.Datetime("us", "UTC")).alias("__time"))
    )
    found = look()
    assert found["outcomes"]["labelled"] > 400
    assert any("a clock that is ahead" in each for each in found["warnings"])


def test_changed_unit_is_for_a_person_and_no_reason_to_retrain(watched: Watched) -> None:
    celsius = ((pl.col("temp") - 32) * 5 / 9).cast(pl.Float32).alias("temp")
    july = pl.col("time_hour") > UNTIL - timedelta(days=28)
    watched.log(watched.answers.filter(~july), "june.parquet")
    watched.log(watched.answers.filter(july).with_columns(celsius), "july.parquet")
    found = look()
    (column,) = [each for each in found["skew"]["columns"] if each["rows"]]
    assert (column["column"], column["rows"]) == ("temp", column["compared"])
    assert len(column["examples"]) == 3
    assert found["skew"]["predictions"]["rows"] > 0
    rung = {each["kind"]: each for each in found["drift"]["alarms"]}
    assert "temp" in rung["data-broken"]["columns"]
    assert "data-broken" in kinds(found)
    assert "distribution-moved" not in kinds(found)
    assert "✗ data-broken" in Path(found["report"]).read_text()


def test_root_cause_is_told_everywhere_with_its_moment_and_proof(watched: Watched) -> None:
    celsius = ((pl.col("temp") - 32) * 5 / 9).cast(pl.Float32).alias("temp")
    july = pl.col("time_hour") > UNTIL - timedelta(days=28)
    watched.log(watched.answers.filter(~july), "june.parquet")
    watched.log(watched.answers.filter(july).with_columns(celsius), "july.parquet")
    found = look()
    (cause,) = [each for each in found["drift"]["causes"] if each["column"] == "temp"]
    assert (cause["column"], cause["source"], cause["exact"]) == ("temp", "weather", True)
    assert (cause["found_in"], cause["where"]) == ("requests", "")
    since = datetime.fromisoformat(cause["since"])
    assert abs(since - (UNTIL - timedelta(days=28))) < timedelta(days=2)
    sentence = cause["sentence"]
    assert sentence.startswith(
        "temp of source weather is converted: °F to °C since about 2013-07-0"
    )
    told = [each["cause"] for each in found["events"] if each.get("cause")]
    (alert,) = [each for each in found["events"] if sentence in each.get("cause", "")]
    assert any(each.startswith("temp is converted: °F to °C in ") for each in told)
    page = Path(found["report"]).read_text()
    assert "Root cause:" in page
    assert "converted: °F to °C" in page
    (kept,) = read_looks(
        open_store(str(watched.root)), MODEL, names := look_names(watched)
    ).values()
    assert len(names) == 1
    assert any(sentence in each.cause for each in kept.alerts)
    for payload in (sent := read_payloads("data-broken", alert["reason"])):
        assert "temp" in [each["column"] for each in payload["found"]["causes"]]
    assert sent


def test_new_champion_s_window_is_held_against_its_history_also_by_a_sample(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_causes, "_MOST", 250)
    july = watched.answers.filter(pl.col("time_hour") > UNTIL - timedelta(days=28))
    watched.log(july.with_columns(pl.col("carrier").str.to_lowercase()))
    found = look()
    (cause,) = [each for each in found["drift"]["causes"] if each["column"] == "carrier"]
    assert cause["mapping"]["about"].startswith("written in lower case: ")
    assert cause["rows"] == pytest.approx(len(july), rel=0.1)
    assert cause["source"] == "flights"
    assert not cause["exact"]  # carriers are part of the key


def test_cause_is_told_where_sources_cannot_be_read(watched: Watched) -> None:
    july = watched.answers.filter(pl.col("time_hour") > UNTIL - timedelta(days=28))
    watched.log(july.with_columns(pl.col("seats") * 0 - 999))
    for path in watched.project.glob("data/nycflights13/planes*"):
        path.unlink()
    found = look()
    (cause,) = [each for each in found["drift"]["causes"] if each["column"] == "seats"]
    assert cause["mapping"]["value"] == -999
    assert (cause["source"], cause["files"]) == ("", [])


def look_names(watched: Watched) -> list[str]:
    return list_looks(open_store(str(watched.root)), MODEL)[-1:]


def test_model_without_champion_is_told_in_a_word(
    few_flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(few_flights)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    found = look(None)
    assert found["champion"] is None
    assert found["warnings"] == [
        f"{MODEL}: has no champion to watch yet; approve a candidate first"
    ]


def test_nothing_logged_is_no_failure(watched: Watched) -> None:
    found = look()
    assert found["rows"] == {}
    assert found["drift"]["rows"] == 0
    assert Path(found["report"]).exists()


def test_candidate_that_waits_holds_retraining_back_but_not_a_person(watched: Watched) -> None:
    watched.log(watched.answers.with_columns((1 - pl.col("__prediction")).alias("__prediction")))
    import flows.retrain as retraining

    with pytest.MonkeyPatch.context() as patch:
        for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
            patch.setattr(retraining, name, getattr(retraining, name).fn)
        plan, store = retraining.plan_retrain(MODEL, UNTIL), open_store()
        (tmp := watched.root / "candidate").mkdir()
        made = retraining.make_candidate(plan, store, tmp)
    states = {(each["kind"], each["state"]) for each in look()["events"]}
    verdict = json.loads((watched.root / made.path / "verdict.json").read_text())
    held = "held back" if verdict["passed"] else "raised"
    assert ("quality-lost", held) in states
    assert ("data-broken", "raised") in states


def test_full_disk_under_the_log_is_told_and_nothing_is_lost(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.log()
    with small_disk(tmp_path / "disk", "8m") as disk:
        shutil.copytree(watched.root, disk / "root")
        monkeypatch.setenv("PERENNIAL_ROOT", str(disk / "root"))
        filled = disk / "ballast"
        room = shutil.disk_usage(disk).free
        filled.write_bytes(b"0" * room)
        with pytest.raises(PerennialError, match="the disk is full; free some room and run again"):
            look()
        filled.unlink()
        assert look()["outcomes"]["labelled"] > 400


def test_source_that_goes_during_a_look_leaves_no_challenger_and_says_so(watched: Watched) -> None:
    watch = settle_watch(MODEL, UNTIL)
    assert isinstance(watch, MonitoringContext)
    (watched.project / "data" / "nycflights13" / "weather.parquet").unlink()
    assert "weather.parquet" in find_staleness(watch, open_store()).problem


def test_champion_that_answers_since_lately_rings_no_alarm(watched: Watched) -> None:
    watched.log(watched.answers.filter(pl.col("time_hour") > UNTIL - timedelta(days=24)))
    found = look()
    assert found["drift"]["rows"] >= 100
    assert "the champion has answered for less than a window" in str(found["warnings"])
    assert found["drift"]["alarms"] == []


def test_rows_that_were_learned_from_do_not_count_and_slices_are_drawn(watched: Watched) -> None:
    watched.change_definition("[monitoring]\n", "[gate]\nslice_rows = 50\n\n[monitoring]\n")
    before = watched.answers.head(7).with_columns(pl.col("time_hour").dt.offset_by("-90d"))
    watched.log(pl.concat([watched.answers, before]))
    found = look()
    assert "7 predictions are about rows that the champion learned from" in found["warnings"]
    assert {each["slice"] for each in found["slices"]} >= {"origin"}
    assert "Slices, worst first" in Path(found["report"]).read_text()


def test_what_servers_counted_is_added_up_and_what_they_lost_is_told(watched: Watched) -> None:
    watched.change_definition("[checks]\n", '[checks]\nmax_age = "30d"\n')
    watched.log()
    hour = {
        "hour": UNTIL - timedelta(hours=2),
        "responses": {"/predict 200": 60, "/predict 422": 20, "/predict 500": 20},
        "dropped": {"disk": 3},
        "bounds": (0.01, 0.1),
        "answers": (30, 20, 10),
    }
    for server in ("a", "b"):
        write_counters(open_store(), MODEL, Counters(server=server, **hour))
    day = watched.root / "monitoring" / MODEL / "service" / f"{hour['hour']:%Y-%m-%d}"
    (day / "damaged.json").write_text("{")
    found = look()
    service = found["service"]
    assert (service["failed"], service["refused"]) == (40, 40)
    assert (service["median"], service["slowest"]) == (0.01, None)
    said = "\n".join(found["warnings"])
    assert "40 of 200 requests failed (5xx)" in said
    assert "6 rows could not be logged" in said
    assert "damaged.json is damaged" in said
    fresh = next(each for each in found["checks"] if each["name"] == "freshness of the sources")
    assert fresh["passed"]
    page = Path(found["report"]).read_text()
    assert "half of all responses took at most 10 ms, 99% at most beyond the last bound" in page
    assert "Time to answer" in page


def test_quiet_look_warns_of_nothing_and_what_looks_broken_is_no_reason_to_retrain(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.log()
    monkeypatch.setattr(steps, "describe", lambda found, report: found)
    found = look()
    counted = dict.fromkeys(("again", "unknown", "keyless", "overdue", "strange"), 0)
    quiet = found.model_copy(
        update={
            "served": found.served.model_copy(update={"later": 0, "ahead": 0}),
            "ground_truth": found.ground_truth.model_copy(update=counted),
            "drift": found.drift.model_copy(update={"problem": ""}),
            "performance": found.performance.model_copy(update={"prior_shift": None}),
            "checks": (),
            "alerts": (),
        }
    )
    page = write_page(quiet)
    assert "✓ No action needed" in page
    assert "Warnings" not in page
    assert "Nothing was asked that could be checked." in page
    alarms = tuple(
        Alarm(kind=kind, name="n", score=2, threshold=1, columns=(), detail="far")
        for kind in ("distribution-moved", "data-broken")
    )
    moved = found.drift.model_copy(update={"alarms": alarms})
    causes = {each.kind for each in find_alerts(quiet.model_copy(update={"drift": moved}))}
    assert "data-broken" in causes
    assert "distribution-moved" not in causes


def test_command_prints_one_object_through_prefect(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    watched.log()
    monkeypatch.setattr(
        sys, "argv", ["perennial", "monitor", MODEL, "--as-of", "2013-07-31", "--json"]
    )
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    found = json.loads(capfd.readouterr().out)
    assert not stopped.value.code
    assert found["champion"] == watched.version
    monkeypatch.setattr(sys, "argv", ["perennial", "monitor", MODEL, "--as-of", "3013-07-31"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "is in the future" in capfd.readouterr().err


def test_root_in_a_bucket_is_watched_the_same(
    watched: Watched, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    watched.log()
    here = look()
    s3fs.S3FileSystem(use_listings_cache=False).put(
        str(watched.root), f"{bucket}/root", recursive=True
    )
    monkeypatch.setenv("PERENNIAL_ROOT", f"{bucket}/root")
    there = look()
    for name in ("rows", "outcomes", "quality", "skew", "estimate"):
        assert there[name] == here[name], name
    assert there["report"].startswith(bucket)


def test_base_rate_that_is_followed_gets_its_next_correction(
    few_flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_harness: None
) -> None:
    project = tmp_path / "few" / "project"
    shutil.copytree(few_flights, project)
    definition = project / "deployments" / "flight_delay.toml"
    follows = '[serving]\nfollow_base_rate = "28d"\n'
    definition.write_text(definition.read_text() + follows)
    watched = make_watched(project, tmp_path / "watched")
    monkeypatch.chdir(watched.project)
    monkeypatch.setenv("PERENNIAL_ROOT", str(watched.root))
    watched.log(watched.answers.with_columns(pl.lit(datetime.now(UTC)).alias("__time")))
    assert "as of another time" in look(UNTIL)["base_rate"]["reason"]
    found = look(None)
    assert found["base_rate"]["written"], found["base_rate"]
    correction = found["base_rate"]["correction"]
    assert (correction["number"], correction["version"]) == (1, watched.version)
    kept = watched.root / "monitoring" / MODEL / "corrections" / "000001.json"
    assert json.loads(kept.read_text()) == correction
    assert found["summary"]["Base rate"].startswith("correction 1 moves log odds by ")
    again = look(None)["base_rate"]
    assert (again["written"], again["correction"]) == (False, correction)
    assert "less than a day old" in again["reason"]
