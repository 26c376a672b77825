"""Sections about a model: keys that exclude each other, and metrics that fit a kind of target."""

import pytest
from pydantic import ValidationError

from tasks.core.model_sections import (
    CALIBRATION_AT_MOST,
    METRICS,
    Approval,
    Gate,
    Serving,
    Target,
    Training,
)


def test_cluster_s_keys_are_for_a_cluster() -> None:
    assert Training(engine="dask", workers=3).workers == 3
    with pytest.raises(ValidationError, match="workers is for engine = 'dask'"):
        Training(workers=3)


def test_who_signs_decides() -> None:
    with pytest.raises(ValidationError, match="lets nobody decide"):
        Approval(mode="auto", signers="keys")


def test_each_kind_has_its_metrics_and_its_limit() -> None:
    assert METRICS.keys() == CALIBRATION_AT_MOST.keys()


@pytest.mark.parametrize("section", [Target, Training, Gate, Approval, Serving])
def test_each_key_says_what_it_is(section: type[Target]) -> None:
    assert [name for name, key in section.model_fields.items() if not key.description] == []
