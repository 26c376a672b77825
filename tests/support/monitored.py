"""What the monitor could have found out about a champion, of made-up numbers."""

from datetime import UTC, datetime
from typing import Any

from tasks.monitoring.findings import MonitoringResult

UNTIL = datetime(2013, 7, 31, tzinfo=UTC)
SINCE = datetime(2013, 7, 1, tzinfo=UTC)
DEFINITION = {
    "name": "made",
    "sources": {"s": "s.parquet"},
    "extract": {"time": "t", "key": ("id",)},
    "target": {"value": "y", "kind": "binary"},
}
FEATURES: dict[str, Any] = {"expressions": {"temp": "temp"}, "categories": (), "columns": {}}
PUBLISHED = {
    "path": "models/made/v1",
    "digest": "d",
    "manifest": {"time": SINCE, "files": {}},
}
CHAMPION = {
    "root": "root",
    "published": PUBLISHED,
    "definition": DEFINITION,
    "features": FEATURES,
    "vocabulary": {"categories": {}},
    "lineage": {},
}
GAIN = {"value": -0.2424, "low": -0.3, "high": -0.1}
QUALITY = {"metric": "auc", "rows": 553, "value": 0.65, "holdout": 0.8924, "gain": GAIN}
FOUND: dict[str, Any] = {
    "watch": {
        "definition": DEFINITION,
        "origin": "made.toml",
        "project": ".",
        "root": "root",
        "as_of": UNTIL,
        "asked_at": UNTIL,
        "sources": {},
        "features": FEATURES,
        "asked": None,
        "now": UNTIL,
        "champion": CHAMPION,
    },
    "served": {
        "log": {"files": {}, "rows": {}, "torn": {}},
        "since": SINCE,
        "until": UNTIL,
        "rows": {"v1": 1234},
    },
    "ground_truth": {"path": "labels.parquet", "rows": 1234, "labelled": 553, "waiting": 681},
    "performance": {
        "quality": {**QUALITY, "allowed": 0.005, "lost": True},
        "slices": [{"slice": "carrier", "level": "AA", "quality": QUALITY}],
        "versions": [
            {"version": "v1", "rows": 1234, "labelled": 553}
            | {"metrics": {"auc": 0.65}, "holdout": {"auc": 0.8924}, "surely": GAIN}
        ],
        "spans": [
            {"start": SINCE, "end": UNTIL, "rows": 1234, "labelled": 553, "surely": None}
            | {"truth": {"auc": 0.65}, "estimate": {"auc": 0.6}, "estimate_labelled": {}}
        ],
        "holdout": {"auc": 0.8924},
        "estimate": {"auc": 0.6},
        "off": 0.05,
    },
    "staleness": {"as_of": SINCE, "rows": 1000},
    "drift": {
        "rows": 600,
        "moved": 0.19,
        "weights": {"temp": 0.6},
        "new_levels": {"carrier": ("<b>ZZ</b>",)},
        "columns": [
            {
                "column": "carrier",
                "kind": "category",
                "change": "none",
                "psi": 0.02,
                "hellinger": 0.9,
            },
            {"column": "temp", "kind": "number", "change": "none", "psi": 0.3, "hellinger": 0.7},
        ],
        "alarms": [
            {"kind": "data-broken", "name": "temp", "score": 3.3, "threshold": 2.1}
            | {"columns": ("temp",), "detail": "temp moved at once"}
        ],
    },
    "skew": {
        "rows": 100,
        "predictions": {"column": "prediction", "rows": 2, "compared": 100},
        "columns": [
            {"column": "temp", "rows": 1, "compared": 100}
            | {"examples": [{"request": "r", "logged": "20", "expected": "68"}]}
        ],
    },
    "checks": [
        {"name": "nulls of 'temp'", "passed": False, "detail": "9% are missing"},
        {"name": "nulls of 'dewp'", "passed": True, "detail": "none"},
    ],
    "service": {
        "counters": {
            "server": "s",
            "hour": SINCE,
            "dropped": {},
            "bounds": (0.001, 0.005),
            "responses": {"predict 200": 98, "predict 500": 2},
            "answers": (90, 8, 2),
        },
        "median": 0.001,
        "slowest": None,
        "failed": 2,
    },
    "new_data": {"champion": "v1", "rows": 900, "needed": 100},
    "alerts": [
        {"kind": "quality-lost", "reason": "auc fell", "key": "k1", "state": "raised"},
        {"kind": "data-broken", "reason": "<i>temp</i>", "key": "k2", "state": "not heard"}
        | {"detail": "no server", "cause": "temp <b> is 0."},
    ],
}


def make_result(**parts: Any) -> MonitoringResult:
    """Make a result in which much is wrong; `parts` replace what is given for a field."""
    return MonitoringResult.model_validate({**FOUND, **parts})
