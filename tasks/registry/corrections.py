"""Corrections of a base rate that is followed: numbered files, written by the monitor.

Each says by how much all log odds are moved from then on, within bounds, and by which labels. The
newest one counts; none is ever changed. They lie at `monitoring/NAME/corrections/000042.json`. Not
responsible for how large one is (`monitoring.base_rate`), nor for who applies it.
"""

from datetime import datetime
from typing import Self

from pydantic import Field, ValidationError, model_validator

from tasks.core.definition import Frozen
from tasks.core.errors import StoreError
from tasks.core.names import check_model
from tasks.storage.store import Store, reaching

FARTHEST = 1.5  # log odds: a probability of .2 becomes .53, or .05


class Correction(Frozen):
    """One correction: `offset` of the log odds, from the labels after `since`, up to `until`.

    Of `rows` answers, `predicted` is the mean probability without any correction, and `observed`
    what came true. `before` is the offset of the correction that it takes the place of.
    """

    number: int = Field(ge=1, le=999_999)
    model: str
    version: str
    time: datetime
    since: datetime
    until: datetime
    rows: int = Field(ge=1)
    predicted: float = Field(ge=0, le=1)
    observed: float = Field(ge=0, le=1)
    before: float = Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)
    offset: float = Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)

    @model_validator(mode="after")
    def _window_has_a_length(self) -> Self:
        if self.since >= self.until:
            raise ValueError("since must be before until")
        return self


def list_corrections(store: Store, model: str) -> list[str]:
    """List the files of a model's corrections, oldest first."""
    with reaching(store.root):
        names = store.children(_folder(model))
    return sorted(name for name in names if name.endswith(".json"))


def read_corrections(store: Store, model: str) -> dict[int, Correction]:
    """Read all corrections of a model, by number; StoreError for one that is damaged."""
    folder = _folder(model)
    paths = [f"{folder}/{name}" for name in list_corrections(store, model)]
    with reaching(store.root):
        found = store.read_many(paths)
    return {each.number: each for path in paths for each in [_parse(store, path, found[path])]}


def find_correction(store: Store, model: str) -> Correction | None:
    """Find the newest correction of a model; StoreError where it is damaged."""
    names = list_corrections(store, model)
    if not names:
        return None
    path = f"{_folder(model)}/{names[-1]}"
    with reaching(store.root):
        return _parse(store, path, store.read(path))


def write_correction(store: Store, correction: Correction) -> None:
    """Write a correction whole; FileExistsError where another run was first with its number."""
    path = f"{_folder(correction.model)}/{correction.number:06}.json"
    with reaching(store.root):
        store.create(path, correction.model_dump_json(indent=1).encode())


def _parse(store: Store, path: str, data: bytes) -> Correction:
    try:
        found = Correction.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "it"
        said = f"{key}: {first['msg'].removeprefix('Value error, ')}"
        raise StoreError(f"{store.root}/{path}: is damaged: {said}; restore it") from error
    if path != f"monitoring/{found.model}/corrections/{found.number:06}.json":
        raise StoreError(f"{store.root}/{path}: is correction {found.number} of {found.model}")
    return found


def _folder(model: str) -> str:
    return f"monitoring/{check_model(model)}/corrections"
