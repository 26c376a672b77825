"""A constraint that names no feature, or the wrong place, is refused before anything is read."""

import pytest
from tables import ROWS, Project

from tasks.core.errors import DefinitionError

REFUSED = [
    ("monotone = { xx = 1 }", r"\[training\] monotone: there is no feature 'xx'; .*'x'"),
    ('interactions = [["x", "kk"]]', r"\[training\] interactions: there is no feature 'kk'; .*'k'"),
    ("monotone = { c = 1 }", r"\[training\] monotone: 'c' is a category, .*by CASE"),
    ("params = { monotone_constraints = '1,0' }",
     r"monotone_constraints: has 2 items, and there are 3 features; .*\[training\] monotone"),
    ("params = { mc = '1,0,0,0' }", r"\[training.params\] mc: has 4 items"),
    ("params = { feature_contri = '1.0,0.5' }", "feature_contri: has 2 items, and there are 3"),
    ("params = { interaction_constraints = '[0,3]' }",
     r"names place 3, and the last of 3 features is 2; .*\[training\] interactions"),
    ("monotone = { x = 1 }\nparams = { mc = '1,0,0' }",
     r"mc: \[training\] monotone says it already"),
    ('interactions = [["x"]]\nparams = { interaction_constraints = "[0]" }',
     r"interaction_constraints: \[training\] interactions says it already"),
]  # fmt: skip


@pytest.mark.parametrize(("training", "said"), REFUSED)
def test_what_constrains_no_feature_is_refused(made: Project, training: str, said: str) -> None:
    made.write(ROWS)
    with pytest.raises(DefinitionError, match=rf"^made.toml: .*{said}"):
        made.plan(training=training)


def test_monotone_is_not_for_what_it_would_not_hold_for(made: Project) -> None:
    made.write(ROWS)
    with pytest.raises(DefinitionError, match="monotone: a class's probability hangs on"):
        made.plan(target='value = "c"\nkind = "multiclass"', training="monotone = { x = 1 }")
    with pytest.raises(DefinitionError, match=r"LightGBM refuses: .*regression_l1"):
        made.plan(
            target='value = "x"\nkind = "regression"',
            features='k = "k"\nc = "c"',
            training="monotone = { k = 1 }\nparams = { objective = 'regression_l1' }",
        )


def test_right_names_and_places_are_taken(made: Project) -> None:
    made.write(ROWS)
    made.plan(training='monotone = { x = 1, k = -1 }\ninteractions = [["x", "k"], ["c"]]')
    made.plan(training="params = { monotone_constraints = '1,0,0' }")
