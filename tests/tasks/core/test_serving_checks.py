"""An interval is refused where nothing could be learned for it."""

import pytest
from tables import define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError


def test_interval_that_cannot_be_fitted_is_refused() -> None:
    text = define(
        target="value = 'y'\nkind = 'regression'",
        serving="interval = 0.9",
        training="engine = 'dask'",
    )
    said = r"interval = 0.9: is fitted in one process; set \[training\] engine"
    with pytest.raises(DefinitionError, match=said):
        parse_definition(text, "made.toml")
