"""A guard is one that stops the work with an error of ours."""

import pytest

from tasks.core.errors import StorageFull, StoreError
from tasks.drill.registry_guards import catch


def test_work_that_no_guard_stopped_is_not_caught_and_a_full_disk_is_no_guard() -> None:
    assert not catch("forged approval", "ledger", lambda: None).caught

    def fill() -> None:
        raise StorageFull("the disk is full")

    with pytest.raises(StorageFull):
        catch("forged approval", "ledger", fill)


def test_work_that_a_guard_stopped_is_told_with_its_first_line() -> None:
    def stop() -> None:
        raise StoreError("model.txt: was changed after it was published\nmore")

    found = catch("tampered model file", "manifest", stop)
    assert (found.caught, found.guard) == (True, "manifest")
    assert found.detail == "model.txt: was changed after it was published"
