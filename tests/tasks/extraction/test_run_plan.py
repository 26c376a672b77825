"""A plan cannot change, and says what a rerun would do."""

import pytest
from pydantic import ValidationError
from tables import ROWS, Project

from tasks.extraction.run_plan import Plan, RunInputs


def test_plan_is_what_a_run_reads_and_what_retrain_settles(made: Project) -> None:
    made.write(ROWS)
    plan = made.plan()
    assert set(Plan.model_fields) - set(RunInputs.model_fields) == {
        "snapshot", "version", "tune", "schemas", "code", "forgotten",
    }  # fmt: skip
    assert plan.schemas["s"]["x"] == "Float64"
    assert (plan.version, plan.snapshot) == (made.plan().version, made.plan().snapshot)
    with pytest.raises(ValidationError, match="frozen"):
        plan.version = "other"  # type: ignore[misc]
