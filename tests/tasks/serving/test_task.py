"""The steps of a release refuse what was not approved."""

from typing import TYPE_CHECKING

import pytest
from servers import MODEL

from tasks.core.errors import DecisionRefused
from tasks.registry.ledger import read_ledger
from tasks.serving.task import build_bento
from tasks.storage.store import Store

if TYPE_CHECKING:
    from conftest import Released


def test_files_that_are_not_those_approved_are_not_built(
    released: "Released", store: Store
) -> None:
    other = read_ledger(store, MODEL)[0].model_copy(update={"manifest": "other"})
    with pytest.raises(DecisionRefused, match=r"has other files than Ada approved"):
        build_bento.fn(store.root, MODEL, other, released.root)
