"""Progress of a run's stages on Prefect's own server, and none where nobody would see it."""

import time
from collections.abc import Callable

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL, temporary_settings
from servers import wait_for

import flows.run_progress as shown
from flows.run_progress import show_progress
from tasks.core.progress import is_heard, tell_progress


def read_shown(model: str) -> dict[str, Artifact]:
    keys = [f"progress-{model}-{stage}" for stage in ("training", "folds", "tuning")]
    of_it = ArtifactFilter(key=ArtifactFilterKey(any_=keys))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=of_it)
    return {str(each.key).rpartition("-")[2]: each for each in found}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "_SECONDS", 0.05)


def run(model: str, work: Callable[[], None]) -> None:
    @flow(name="long")
    def long() -> None:
        with show_progress(model, "training", "folds"):
            work()

    long()


def test_stage_is_shown_while_it_goes_on_and_done_at_the_end(
    prefect_harness: None, often: None
) -> None:
    def work() -> None:
        tell_progress("tuning", "trial", 1, 2)  # of another kind of run
        tell_progress("training", "round", 37, 200)
        wait_for(lambda: read_shown("m"))
        tell_progress("training", "round", 50, 200)
        wait_for(lambda: read_shown("m")["training"].data == 25)
        found = read_shown("m")
        assert [*found] == ["training"]
        assert found["training"].description == "training: round 50 of 200"
        assert found["training"].type == "progress"
        assert found["training"].flow_run_id is not None

    run("m", work)
    wait_for(lambda: read_shown("m")["training"].data == 100)


def test_what_failed_stays_where_it_was(prefect_harness: None, often: None) -> None:
    def work() -> None:
        tell_progress("folds", "fold", 1, 4)
        wait_for(lambda: read_shown("failing"))
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        run("failing", work)
    assert read_shown("failing")["folds"].data == 25
    assert not is_heard()


def test_short_work_and_a_run_that_is_none_show_nothing(prefect_harness: None) -> None:
    begun = time.monotonic()
    run("short", lambda: tell_progress("training", "round", 1, 2))
    with show_progress("short", "training"):
        assert not is_heard()
    assert time.monotonic() - begun < 3
    assert not read_shown("short")


def test_server_that_is_away_ends_no_work(
    prefect_harness: None, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        with (
            temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
            show_progress("away", "folds"),
        ):
            for count in range(1, 4):
                tell_progress("folds", "fold", count, 4)
                time.sleep(0.3)

    run("away", work)
    assert caplog.text.count("progress is not shown") == 1


def test_command_with_a_server_of_its_own_shows_nothing(
    prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "brought_server", lambda: True)

    def work() -> None:
        assert not is_heard()

    run("own", work)
