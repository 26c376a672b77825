"""What cannot go with quantiles is refused by key, and with what to do."""

import pytest
from tables import define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError

TARGET = 'value = "y"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]'
WHERE = r"made.toml: \[target\] quantiles = \[0.1, 0.5, 0.9\]: "


@pytest.mark.parametrize(
    ("section", "text", "said"),
    [
        ("training", "params = { objective = 'poisson' }", WHERE + ".*leave objective in .* out"),
        ("training", "params = { app = 'gamma' }", WHERE + ".*train by 'gamma'"),
        ("training", "params = { alpha = 0.3 }", WHERE + ".*leave alpha in"),
        ("training", "engine = 'dask'", WHERE + ".*engine = 'local'"),
        ("training", "monotone = { x = 1 }", WHERE + r".*leave \[training\] monotone out"),
        ("serving", "interval = 0.9", WHERE + r".*as in quantiles = \[0.05, 0.5, 0.95\]"),
        ("gate", "calibration_at_most = 0.2", r"calibration_at_most: .* \[gate\] coverage_margin"),
        ("gate", "calibration_margin = 0.2", r"calibration_margin: .* \[gate\] coverage_margin"),
        ("gate", "metric = 'rmse'", "rmse is not for quantiles; one of pinball_loss, coverage_e"),
        ("gate", "metric = 'coverage_error'", "judge by pinball_loss first"),
        ("gate", "at_least = { pinball_loss = 1 }", "write it in at_most"),
    ],
)
def test_what_cannot_go_with_quantiles_is_refused(section: str, text: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        parse_definition(define(target=TARGET, **{section: text}), "made.toml")


def test_bounds_and_a_margin_can_be_set() -> None:
    gate = "coverage_margin = 0.1\nat_most = { pinball_loss = 3, coverage_error = 0.1 }"
    assert parse_definition(define(target=TARGET, gate=gate), "made.toml").coverage_margin == 0.1


def test_quantiles_metrics_need_quantiles() -> None:
    plain = define(target='value = "y"\nkind = "regression"', gate="metric = 'pinball_loss'")
    with pytest.raises(DefinitionError, match=r"pinball_loss needs \[target\] quantiles"):
        parse_definition(plain, "made.toml")
