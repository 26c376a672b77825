"""Perennial in Python: each command of the command line as a function, for notebooks and programs.

    import perennial

    made = perennial.retrain("sales", as_of="2025-12-01")
    perennial.approve("sales", made["version"], approver="Ada", reason="report read")
    perennial.predict("sales", [{"region": "north", "price": 28}])

A function returns what its command prints with `--json`; what ends a command is a `PerennialError`.
"""

from flows.python_api import (
    Champion,
    approve,
    diff,
    history,
    load,
    predict,
    reject,
    retrain,
    rollback,
    score,
    show,
    status,
)
from tasks.core.errors import PerennialError

__all__ = [
    "Champion",
    "PerennialError",
    "approve",
    "diff",
    "history",
    "load",
    "predict",
    "reject",
    "retrain",
    "rollback",
    "score",
    "show",
    "status",
]
