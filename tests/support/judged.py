"""Small published versions, which hold only what is told of a candidate."""

import json

from tasks.registry.versions import Published, publish, version_path
from tasks.storage.store import Store, work_folder

OLD, NEW, NEWEST = (f"20200{month}01T000000Z-abc" for month in (1, 2, 3))
MODEL = "churn"


def put(
    store: Store, version: str, passed: bool = True, snapshot: str = "s", model: str = MODEL
) -> Published:
    """Publish a version with a verdict, numbers and the digest of its snapshot."""
    check = {"name": "slices", "passed": passed, "detail": "origin EWR", "numbers": {}}
    metrics = {"auc": 0.81, "log_loss": 0.4}
    files = {
        "verdict": {"passed": passed, "checks": [check], "champion": None},
        "evaluation": {"metrics": {"holdout": metrics}, "baseline": {}, "simple": {}},
        "analysis": {"checks": [], "warnings": []},
        "lineage": {
            "model": model,
            "version": version,
            "as_of": None,
            "snapshot": snapshot,
            "snapshot_rows": 100,
            "rows": {},
            "steps": [],
            "refit": True,
        },
    }
    with work_folder(store) as folder:
        (folder / "made").mkdir()
        for name, held in files.items():
            (folder / "made" / f"{name}.json").write_text(json.dumps(held))
        return publish(store, folder / "made", version_path(model, version))
