"""What is told of a model is told of the files that were released, and of no others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import StoreError
from tasks.registry.ledger import append_entry
from tasks.registry.overview import describe_history, describe_model, describe_version
from tasks.registry.versions import publish, version_path
from tasks.storage.store import Store, open_store, work_folder


@pytest.mark.parametrize("describe", [describe_model, describe_history])
def test_an_edited_file_of_the_champion_is_noticed(
    describe: Callable[[Store, str], dict[str, Any]], tmp_path: Path
) -> None:
    store = open_store(str(tmp_path))
    with work_folder(store) as folder:
        (folder / "made").mkdir()
        (folder / "made" / "report.html").write_text("<h1>worse</h1>")
        made = publish(store, folder / "made", version_path("m", "v1"))
    for action in ("approve", "release"):
        append_entry(
            store,
            "m",
            action=action,  # type: ignore[arg-type]
            version="v1",
            manifest=made.digest,
            approver="Ada",
            reason="",
        )
    (tmp_path / made.path / "report.html").write_text("<h1>better</h1>")
    with pytest.raises(StoreError, match=r"v1/report\.html: was changed after it was published"):
        describe(store, "m")


def test_check_that_passed_with_a_warning_is_among_the_warnings(tmp_path: Path) -> None:
    checks = [{"name": "a", "passed": True}, {"name": "b", "passed": True, "warning": "it moved"}]
    lineage = {"model": "m", "version": "v1", "as_of": None, "snapshot_rows": 9, "rows": {}}
    parts = {
        "lineage": {**lineage, "steps": [], "refit": True, "warnings": ["few rounds"]},
        "evaluation": {"metrics": {}, "baseline": {}, "simple": {}},
        "verdict": {"passed": True, "checks": checks, "champion": None},
        "analysis": {"checks": [], "warnings": ["a leak"]},
    }
    store = open_store(str(tmp_path))
    with work_folder(store) as folder:
        (folder / "made").mkdir()
        for name, part in parts.items():
            (folder / "made" / f"{name}.json").write_text(json.dumps(part))
        made = publish(store, folder / "made", version_path("m", "v1"))
    assert describe_version(store, made)["warnings"] == ["a leak", "few rounds", "it moved"]
