"""LightGBM's datasets: rows binned a batch at a time, and kept by their content.

Kept bins spare a retry, or another trial on the same rows, the binning. Not responsible for what
is trained on them.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from tasks.core.columns import TARGET, WEIGHT
from tasks.extraction.run_plan import Plan
from tasks.features.transform import Features
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import weight_columns
from tasks.registry.code_digest import package_versions
from tasks.storage.local_cache import cache_file, cache_folder, find_cached
from tasks.storage.store import reaching

log = logging.getLogger("perennial.binning")

_WORTH_KEEPING = 1_000_000  # fewer rows are binned in less than a second
_PUSHED = 20_000  # rows that LightGBM is given at once, and that a core's cache may hold
_KEPT = 4  # a run has two: one for its twin, one for the model that is released
_SLAB = 1 << 26  # bytes of a file that are digested at once
_ZERO = 1e-35  # what lies nearer to zero is zero to LightGBM

Parameters = dict[str, bool | int | float | str]


class _Unbinned(lightgbm.Dataset):
    """A dataset that tells LightGBM all its parameters: of the seed come the rows it looks at."""

    def get_params(self) -> dict[str, Any]:
        return dict(self.params or {})


def open_bins(
    plan: Plan, prepared: Prepared, params: Parameters, *parts: SplitRole
) -> lightgbm.Dataset:
    """Give the bins of the rows of some parts: those that are kept, or new ones."""
    params = {**params, **name_categories(plan.features)}
    rows = sum(prepared.rows.get(part.name.lower(), 0) for part in parts)
    if rows < _WORTH_KEEPING:
        return bin_rows(plan, prepared, params, parts)
    folder, name = cache_folder(plan.root, "bins"), name_bins(plan, prepared, params, parts)
    kept = find_cached(folder, name)
    if kept is not None:
        log.info("bins of %s rows reused", f"{rows:,}")
        return lightgbm.Dataset(str(kept), params=params).construct()
    dataset, draft = bin_rows(plan, prepared, params, parts), prepared.path.with_name("bins.draft")
    with reaching(str(draft)):
        draft.unlink(missing_ok=True)  # LightGBM writes over nothing
        dataset.save_binary(draft)
    cache_file(draft, folder, name, _KEPT)
    return dataset


def bin_rows(
    plan: Plan, prepared: Prepared, params: Parameters, parts: tuple[SplitRole, ...]
) -> lightgbm.Dataset:
    """Bin rows a batch at a time, as LightGBM bins a whole frame; never are all in memory."""
    names = list(plan.features.expressions)
    target = prepared.scan(*parts).select(pl.col(TARGET).cast(pl.Float32)).collect()[TARGET]
    unbinned = _Unbinned(None, params=params)
    _choose_bins(unbinned, prepared.batches(names, *parts), len(target))
    for frame in prepared.batches(names, *parts):
        for few in frame.iter_slices(_PUSHED):
            unbinned._push_rows(few.cast(pl.Float64).to_numpy(order="c"))  # missing becomes NaN
    dataset = lightgbm.Dataset(None, params=params)
    dataset._handle, unbinned._handle = unbinned._handle, None
    dataset.set_label(target.to_numpy())
    if given := weight_columns(plan):
        dataset.set_weight(prepared.scan(*parts).select(given).collect()[WEIGHT].to_numpy())
    return dataset.set_feature_name(plain_names(names))


def take_rows(rows: lightgbm.Dataset, chosen: Any) -> lightgbm.Dataset:
    """Take the rows that an array of booleans chooses; `subset` would list millions of numbers."""
    places: Any = np.flatnonzero(chosen).astype(np.int32)
    subset = rows.subset([])
    subset.used_indices = places
    return subset


def name_categories(features: Features) -> dict[str, str]:
    """Give LightGBM's parameter that says which features are categories; none without any."""
    places = ",".join(map(str, category_places(features)))
    return {"categorical_column": places} if places else {}


def category_places(features: Features) -> list[int]:
    """Give the places of the features that are categories."""
    names = list(features.expressions)
    return [names.index(name) for name in features.categories]


def model_input(features: pl.DataFrame) -> pl.DataFrame:
    """Name features as the model does."""
    return features.rename(dict(zip(features.columns, plain_names(features.columns), strict=True)))


def plain_names(names: list[str]) -> list[str]:
    """Name features so that LightGBM's text can hold them: no spaces, no signs of JSON."""
    plain = [re.sub(r"\W", "_", name, flags=re.ASCII) or "_" for name in names]
    if len(set(plain)) < len(plain):
        plain = [f"f{place}_{name}" for place, name in enumerate(plain)]
    return plain


def name_bins(
    plan: Plan, prepared: Prepared, params: Parameters, parts: tuple[SplitRole, ...]
) -> str:
    """Name bins by all that they are made of: the rows' bytes, and what LightGBM bins them by."""
    made_of = {
        "rows": _digest_rows(prepared.path, prepared.path.stat().st_mtime_ns),
        "parts": parts,
        "features": plan.features.model_dump(),
        "params": lightgbm.Dataset(None, params=params).get_params(),
        # The seed says which rows are looked at; a feature that no leaf can part is left out.
        "more": {name: params.get(name) for name in ("seed", "min_data_in_leaf")},
        "lightgbm": package_versions()["lightgbm"],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def _choose_bins(unbinned: _Unbinned, frames: Iterator[pl.DataFrame], count: int) -> None:
    """Let LightGBM choose bins by the rows that it would have looked at in a whole frame."""
    picked, seen, found = unbinned._create_sample_indices(total_nrow=count), 0, []
    for frame in frames:
        first, end = np.searchsorted(picked, (seen, seen + len(frame)))
        found.append(frame[picked[first:end] - seen])
        seen += len(frame)
    values, numbers = [], []
    for column in pl.concat(found).cast(pl.Float64):
        value = column.to_numpy()
        told = (np.abs(value) > _ZERO) | np.isnan(value)
        values.append(value[told])
        numbers.append(np.flatnonzero(told).astype(np.int32))
    unbinned._init_from_sample(values, numbers, len(picked), count)


@lru_cache
def _digest_rows(path: Path, written: int) -> str:
    """Identify a large file's content by the digests of its slabs, several at once.

    A run asks twice of the same file, as long as it was `written` at the same time.
    """

    def digest(start: int) -> str:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(_SLAB)).hexdigest()

    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(digest, range(0, path.stat().st_size, _SLAB)))
    return hashlib.sha256("".join(digests).encode()).hexdigest()
