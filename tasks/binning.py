"""Binned rows, which are all that LightGBM learns from: made in stretches, and kept by content.

Owns LightGBM's datasets and the files in which they are kept, so that a retry, or another trial on
the same rows, does not bin them again. Refuses to know what grows on them.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from tasks.metrics import Array
from tasks.plan import Plan
from tasks.preparation import PART, TARGET, Part, Prepared
from tasks.registry import package_versions
from tasks.store import digest_file, open_store, reaching

log = logging.getLogger("perennial.binning")

_STRETCH = 200_000  # rows that are turned into LightGBM's numbers at once
_WORTH_KEEPING = 1_000_000  # fewer rows are binned in less than a second
_KEPT = 4  # a run has two: one for its twin, one for the model that is released
_SLAB = 1 << 26  # bytes of a file that are digested at once
_ZERO = 1e-35  # what lies nearer to zero is zero to LightGBM

Parameters = dict[str, bool | int | float | str]


class _Unbinned(lightgbm.Dataset):
    """A dataset that tells LightGBM all its parameters: of the seed come the rows it looks at."""

    def get_params(self) -> dict[str, Any]:
        return dict(self.params)


def open_bins(plan: Plan, prepared: Prepared, params: Parameters, *parts: Part) -> lightgbm.Dataset:
    """Give the bins of the rows of some parts: those that are kept, or new ones."""
    params = params | name_categories(plan)
    rows = sum(prepared.rows[part.name.lower()] for part in parts)
    if rows < _WORTH_KEEPING:
        return bin_rows(plan, prepared, params, parts)
    folder, name = bins_folder(plan.root), name_bins(plan, prepared, params, parts)
    kept = read_bins(folder, name, params)
    if kept is not None:
        log.info("bins of %s rows reused", f"{rows:,}")
        return kept
    dataset = bin_rows(plan, prepared, params, parts)
    keep_bins(dataset, folder, name, prepared.path.with_name("bins.draft"))
    return dataset


def bin_rows(
    plan: Plan, prepared: Prepared, params: Parameters, parts: tuple[Part, ...]
) -> lightgbm.Dataset:
    """Bin rows a stretch at a time, as LightGBM bins a whole frame; never are all in memory."""
    rows, names = prepared.scan(), list(plan.features.expressions)
    parted = rows.select(PART).collect()[PART].to_numpy()
    inside = np.isin(parted, [int(part) for part in parts])
    unbinned = _Unbinned(None, params=dict(params))
    _choose_bins(unbinned, rows.select(names), np.flatnonzero(inside))
    for numbers in _read_stretches(rows.select(names), inside):
        unbinned._push_rows(numbers)
    dataset = lightgbm.Dataset(None, params=dict(params))
    dataset._handle, unbinned._handle = unbinned._handle, None
    label = rows.select(pl.col(TARGET).cast(pl.Float32)).collect()[TARGET].to_numpy()
    dataset.set_label(label[inside])
    return dataset.set_feature_name(plain_names(names))


def name_categories(plan: Plan) -> dict[str, str]:
    """Give LightGBM's parameter that says which features are categories; none without any."""
    names = list(plan.features.expressions)
    places = [str(names.index(name)) for name in plan.features.categories]
    return {"categorical_column": ",".join(places)} if places else {}


def model_input(features: pl.DataFrame) -> pl.DataFrame:
    """Name features as the model does."""
    return features.rename(dict(zip(features.columns, plain_names(features.columns), strict=True)))


def plain_names(names: list[str]) -> list[str]:
    """Name features so that LightGBM's text can hold them: no spaces, no signs of JSON."""
    plain = [re.sub(r"\W", "_", name, flags=re.ASCII) or "_" for name in names]
    if len(set(plain)) < len(plain):
        plain = [f"f{place}_{name}" for place, name in enumerate(plain)]
    return plain


def bins_folder(root: str) -> Path:
    """Name the local folder of kept bins: whatever is in it can be made again."""
    return open_store(root).workspace() / "bins"


def name_bins(plan: Plan, prepared: Prepared, params: Parameters, parts: tuple[Part, ...]) -> str:
    """Name bins by all that they are made of: the rows' bytes, and what LightGBM bins them by."""
    made_of = {
        "rows": _digest_slabs(prepared.path),
        "parts": parts,
        "features": plan.features.model_dump(),
        "params": lightgbm.Dataset(None, params=dict(params)).get_params(),
        # The seed says which rows are looked at; a feature that no leaf can part is left out.
        "more": {name: params.get(name) for name in ("seed", "min_data_in_leaf")},
        "lightgbm": package_versions()["lightgbm"],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def read_bins(folder: Path, name: str, params: Parameters) -> lightgbm.Dataset | None:
    """Read kept bins, if their bytes are those that were written."""
    for path in folder.glob(f"{name}-*.bin"):
        with suppress(FileNotFoundError):  # another run may clear it away
            if digest_file(path) == path.stem.partition("-")[2]:
                os.utime(path)
                return lightgbm.Dataset(str(path), params=dict(params)).construct()
            log.warning("%s: is damaged; its rows are binned again", path)
            path.unlink()
    return None


def keep_bins(dataset: lightgbm.Dataset, folder: Path, name: str, draft: Path) -> None:
    """Write bins under their name and their digest, and clear away those used longest ago."""
    with reaching(str(folder)):
        folder.mkdir(exist_ok=True)
        draft.unlink(missing_ok=True)  # LightGBM writes over nothing
        dataset.save_binary(draft)
        os.replace(draft, folder / f"{name}-{digest_file(draft)}.bin")
        for old in sorted(folder.glob("*.bin"), key=os.path.getmtime)[:-_KEPT]:
            old.unlink(missing_ok=True)


def _choose_bins(unbinned: _Unbinned, rows: pl.LazyFrame, places: Array) -> None:
    """Let LightGBM choose bins by the rows that it would have looked at in a whole frame."""
    picked = places[unbinned._create_sample_indices(total_nrow=len(places))]
    values, numbers = [], []
    for name in rows.collect_schema():
        column = rows.select(name).collect().to_series()[picked].cast(pl.Float64).to_numpy()
        told = (np.abs(column) > _ZERO) | np.isnan(column)
        values.append(column[told])
        numbers.append(np.flatnonzero(told).astype(np.int32))
    unbinned._init_from_sample(values, numbers, len(picked), len(places))


def _read_stretches(rows: pl.LazyFrame, inside: Array) -> Iterator[Array]:
    """Give all rows that are inside in turn, as numbers row after row; missing is NaN."""
    names = rows.collect_schema().names()
    numbers = np.empty((_STRETCH, len(names)))
    for start in range(0, len(inside), _STRETCH):
        taken = inside[start : start + _STRETCH]
        if not taken.any():
            continue
        frame = rows.slice(start, _STRETCH).collect()
        for place, name in enumerate(names):
            numbers[: taken.sum(), place] = frame[name].to_numpy()[taken]
        yield numbers[: taken.sum()]


def _digest_slabs(path: Path) -> str:
    """Identify a large file's content by the digests of its slabs, several at once."""

    def digest(start: int) -> str:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(_SLAB)).hexdigest()

    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(digest, range(0, path.stat().st_size, _SLAB)))
    return hashlib.sha256("".join(digests).encode()).hexdigest()
