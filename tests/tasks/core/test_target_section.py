"""Quantiles are rising shares of a number, and change nothing where they are not given."""

import pytest
from tables import define

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError


def parse(quantiles: str, kind: str = "regression") -> Definition:
    target = f'value = "y"\nkind = "{kind}"\nquantiles = {quantiles}'
    return parse_definition(define(target=target), "made.toml")


@pytest.mark.parametrize(
    ("quantiles", "said"),
    [
        ("[0.5]", "must be 2 to 9 numbers"),
        (str([place / 20 for place in range(1, 11)]), "must be 2 to 9 numbers"),
        ("[]", "must be 2 to 9 numbers"),
        ("[0.5, 0.1]", "must rise"),
        ("[0.1, 0.1]", "must rise"),
        ("[0, 0.5]", "greater than 0"),
        ("[0.5, 1.0]", "less than 1"),
        ("0.5", "must be a list"),
        ('["a", "b"]', "valid number"),
    ],
)
def test_levels_that_are_none_are_refused(quantiles: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=rf"made.toml: \[target\] quantiles: .*{said}"):
        parse(quantiles)


def test_only_a_regression_has_quantiles() -> None:
    with pytest.raises(DefinitionError, match="for kind = 'regression', not binary; leave them"):
        parse("[0.1, 0.9]", "binary")


def test_quantiles_have_metrics_of_their_own() -> None:
    definition = parse("[0.1, 0.5, 0.9]")
    assert definition.metrics == ("pinball_loss", "coverage_error")
    assert (definition.metric, definition.loss) == ("pinball_loss", "pinball_loss")
    assert definition.second_metric == "coverage_error"
    assert definition.coverage_margin == 0.05


def test_definition_without_quantiles_keeps_its_digest() -> None:
    plain = parse_definition(define(target='value = "y"\nkind = "regression"'), "made.toml")
    assert plain.digest.startswith("39efec93e9ef5340")
    assert plain.digest != parse("[0.1, 0.9]").digest != parse("[0.2, 0.9]").digest


@pytest.mark.parametrize(
    ("unit", "kind", "said"),
    [
        ("minutes", "binary", "for kind = 'regression', not binary; leave it out"),
        ("", "regression", "unit.* a word or two"),
        (" ", "regression", "unit.* a word or two"),
        ("a\\nb", "regression", "unit"),
        ("m" * 25, "regression", "at most 24 characters"),
    ],
)
def test_a_unit_is_a_short_word_of_a_number(unit: str, kind: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=rf"made.toml: \[target\].*{said}"):
        parse_definition(
            define(target=f'value = "y"\nkind = "{kind}"\nunit = "{unit}"'), "made.toml"
        )


def test_a_unit_that_is_not_given_is_in_no_dump() -> None:
    plain = parse_definition(define(target='value = "y"\nkind = "regression"'), "made.toml")
    assert "unit" not in plain.target.model_dump()
    text = 'value = "y"\nkind = "regression"\nunit = "€ / m²"'
    assert parse_definition(define(target=text), "made.toml").target.unit == "€ / m²"
