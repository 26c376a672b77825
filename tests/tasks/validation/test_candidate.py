"""A real candidate on its way into the registry: killed, raced, and read back."""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from candidates import take_steps
from faults import FaultyS3

from tasks.core.errors import DefinitionError, StoreError
from tasks.registry.ledger import append_entry
from tasks.registry.overview import describe_history, describe_model, describe_version
from tasks.registry.versions import Published, find_version, list_versions, read_file
from tasks.storage.store import Store, open_store, work_folder
from tasks.training.task import refit
from tasks.validation.candidate import Candidate, publish_candidate

PUBLISHERS = Path(__file__).parents[2] / "support" / "publishers.py"
PAGES = {"report.html": "<p>fine</p>", "report.md": "fine"}
MODEL = "flight-delay"


@pytest.fixture(scope="module")
def made(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Candidate]:
    """Take all six steps, as the flow does, in a work folder that stays."""
    folder = tmp_path_factory.mktemp("candidate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        found = take_steps(few_flights / "deployments" / "flight_delay.toml", None, folder)
        again = refit.fn(found.plan, found.prepared, found.trained, folder)
        yield found.model_copy(update={"refitted": again, "steps": ()})


@pytest.fixture
def pickled(made: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "candidate.pickle").write_bytes(pickle.dumps((made, PAGES)))
    monkeypatch.setenv("CANDIDATE", str(tmp_path / "candidate.pickle"))


def publish_as(store: Store, made: Candidate, version: str, passed: bool = True) -> Published:
    plan = made.plan.model_copy(update={"version": version, "snapshot": "d1"})
    verdict = made.verdict.model_copy(update={"passed": passed})
    part = made.snapshot.parts[0]
    with work_folder(store) as work:
        (work / "snapshot").mkdir()
        copy = work / "snapshot" / part.name
        copy.write_bytes(part.read_bytes())
        snapshot = made.snapshot.model_copy(update={"parts": (copy,)})
        own = made.model_copy(update={"plan": plan, "verdict": verdict, "snapshot": snapshot})
        return publish_candidate(own, PAGES, store, work)


def run_publishers(*words: object) -> list[str] | int:
    command = [sys.executable, str(PUBLISHERS), *map(str, words)]
    found: list[str] | int = json.loads(subprocess.check_output(command, text=True))
    return found


def test_rerun_of_a_killed_publication_gives_the_same_model(
    made: Candidate, pickled: None, tmp_path: Path
) -> None:
    lines = run_publishers("kill_at_lines", "publish_pickled", tmp_path, 67)
    assert isinstance(lines, int)
    absent = 0
    for line in range(1, lines, 67):
        store = open_store(str(tmp_path / str(line)))
        absent += find_version(store, MODEL, made.plan.version) is None
        published = publish_as(store, made, made.plan.version)
        found = {name: read_file(store, published, name) for name in published.manifest.files}
        assert found["model.txt"] == made.refitted.read_bytes()
        assert found["twin.txt"] == made.trained.twin.read_bytes()
        assert len(found) == 14
    assert absent


def test_all_publishers_of_one_candidate_end_with_the_same_manifest(
    made: Candidate, pickled: None, tmp_path: Path
) -> None:
    digests = run_publishers("race", "publish_pickled", tmp_path / "root", 3)
    published = find_version(open_store(str(tmp_path / "root")), MODEL, made.plan.version)
    assert published is not None
    assert digests == [published.digest] * 3


def test_version_that_lost_its_manifest_is_named(made: Candidate, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    publish_as(store, made, "v1")
    (tmp_path / "root" / "models" / MODEL / "v1" / "MANIFEST.json").unlink()
    with pytest.raises(StoreError, match=r"v1: has lost its manifest; remove it and run again"):
        publish_as(store, made, "v1")


def test_definition_edited_during_the_run_is_not_published_as_its_own(
    made: Candidate, tmp_path: Path
) -> None:
    text = Path(made.plan.origin).read_text()
    edited = tmp_path / "edited.toml"
    plan = made.plan.model_copy(update={"origin": str(edited)})
    candidate = made.model_copy(update={"plan": plan})
    store = open_store(str(tmp_path / "root"))
    edited.write_text(text.replace("num_leaves = 7", "num_leaves = 8"))
    with pytest.raises(DefinitionError, match=r"edited.toml: was edited while the run went on"):
        publish_as(store, candidate, "v1")
    assert list_versions(store, MODEL) == {}
    edited.write_text("\ufeff# only a remark\n" + text)
    published = publish_as(store, candidate, "v1")
    assert read_file(store, published, "definition.toml").startswith(b"# only a remark")


def test_what_passed_since_the_champion_and_is_undecided_waits(
    made: Candidate, tmp_path: Path
) -> None:
    store = open_store(str(tmp_path / "root"))
    names = ["20130901T000000Z-b", "20131001T000000Z-c", "20131001T000000Z-a", "20131101T000000Z-d"]
    _, champion, later, rejected = (publish_as(store, made, name) for name in names)
    publish_as(store, made, "20131201T000000Z-e", passed=False)
    assert describe_model(store, MODEL)["waiting"] == names
    decided = (("approve", champion), ("release", champion), ("reject", rejected))
    for action, each in decided:
        append_entry(
            store,
            MODEL,
            action=action,
            version=each.version,
            manifest=each.digest,
            approver="Ada",
            reason="",
        )
    found = describe_model(store, MODEL)
    assert found["champion"] == champion.version
    assert found["candidates"] == [*names, "20131201T000000Z-e"]
    assert found["waiting"] == [later.version]


def test_model_without_versions_is_told_what_to_do(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    for describe in (describe_model, describe_history):
        with pytest.raises(DefinitionError, match=r"has no version yet in .*; run retrain first"):
            describe(store, "no-model")


def test_history_of_a_bucket_asks_once_for_each_file(
    made: Candidate, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket)
    versions = [publish_as(store, made, f"v{number}") for number in range(3)]
    with FaultyS3(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        store = open_store(bucket)
        server.requests.clear()
        found = describe_history(store, MODEL)
        reads = [path for method, path in server.requests if "list-type" not in path]
        assert {method for method, _ in server.requests} == {"GET"}
        assert len(reads) == len(set(reads)) == len(versions) * 4
    assert [each["version"] for each in found["versions"]] == ["v0", "v1", "v2"]
    metrics = describe_version(store, versions[0])["metrics"]
    assert found["versions"][0]["metrics"] == metrics
