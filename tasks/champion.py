"""The champion as an opponent: its predictions for the holdout rows of a candidate.

Owns which rows a champion has not seen and which of its two models is judged on them. Its own
definition says how it reads and transforms the data. Refuses to say who is better.
"""

from typing import Literal

import numpy as np
import polars as pl

from tasks.definition import Definition, Frozen, parse_definition
from tasks.extraction import Snapshot
from tasks.features import Features, Vocabulary, encode
from tasks.metrics import Array
from tasks.plan import Plan
from tasks.preparation import ROW, TIME, Part, Split, part_of_row
from tasks.registry import Published, read_file, read_json
from tasks.sources import collect, open_table
from tasks.store import Store
from tasks.training import model_input, read_model

_UNSEEN_SHARE = 0.2  # of the holdout: with less than this unseen, the twin is asked instead
_LOST_SHARE = 0.01  # of the holdout: rows that the champion's own extraction may lack
_FOUND = "__found"


class Opponent(Frozen, arbitrary_types_allowed=True):
    """A champion's predictions where `inside` is true: the holdout rows that it never saw.

    `model` says which of its models answered. `reason` says why none could; then all else is empty.
    """

    version: str
    model: Literal["released", "twin"] = "released"
    inside: Array = np.zeros(0, dtype=bool)
    predicted: Array = np.zeros(0)
    reason: str = ""


def meet_champion(
    plan: Plan,
    snapshot: Snapshot,
    holdout: pl.DataFrame,
    classes: tuple[str, ...],
    store: Store,
    champion: Published,
) -> Opponent:
    """Let the champion predict a candidate's holdout (`__row`, `__time`), as it reads the data."""
    version = champion.path.rpartition("/")[2]
    ours = plan.definition
    theirs = parse_definition(read_file(store, champion, "definition.toml").decode(), version)
    features = Features.model_validate_json(read_file(store, champion, "features.json"))
    vocabulary = Vocabulary.model_validate_json(read_file(store, champion, "vocabulary.json"))
    lineage = read_json(store, champion, "lineage.json")
    if (theirs.target.value, theirs.target.kind) != (ours.target.value, ours.target.kind):
        return Opponent(version=version, reason="it predicts another target")
    if vocabulary.classes != classes:
        return Opponent(version=version, reason="it knows other classes")
    if not _same_data(ours, theirs) and (
        theirs.extract.key != ours.extract.key or not ours.extract.key
    ):
        return Opponent(version=version, reason="it reads other data, and no common key joins them")
    rows = read_holdout(plan, theirs, features, snapshot, holdout)
    lost = int((~rows[_FOUND]).sum())
    if lost > _LOST_SHARE * len(holdout):
        return Opponent(version=version, reason=f"its own extraction lacks {lost:,} of the rows")
    unseen = find_unseen(
        theirs, Split.model_validate(lineage["split"]), bool(lineage["refit"]), rows
    )
    enough = max(ours.gate.rows, _UNSEEN_SHARE * len(holdout))
    model: Literal["released", "twin"] = "released"
    if unseen["released"].sum() < enough:
        model = "twin"
    if unseen[model].sum() < enough:
        return Opponent(version=version, reason="it has seen nearly all of the holdout")
    file = "twin.txt" if model == "twin" and lineage["refit"] else "model.txt"
    booster = read_model(read_file(store, champion, file).decode())
    numbered = encode(rows.filter(unseen[model]).lazy(), features, vocabulary).collect()
    predicted = np.asarray(booster.predict(model_input(numbered)))
    return Opponent(version=version, model=model, inside=unseen[model], predicted=predicted)


def read_holdout(
    plan: Plan, theirs: Definition, features: Features, snapshot: Snapshot, holdout: pl.DataFrame
) -> pl.DataFrame:
    """Read the holdout's raw rows, in its order: from the snapshot, or as the champion extracts."""
    if _same_data(plan.definition, theirs):
        rows = snapshot.scan().collect()[holdout[ROW]]
        return rows.with_columns(holdout[TIME], pl.lit(True).alias(_FOUND))
    key = list(plan.definition.extract.key)
    asked = snapshot.scan().select(key).collect()[holdout[ROW]].with_columns(holdout[TIME])
    table = open_table(theirs, plan.project)
    wanted = sorted({*key, *features.columns})
    period = table.rows
    if table.time is not None:
        period = period.filter(table.time.is_between(holdout[TIME].min(), holdout[TIME].max()))
    found = collect(
        table, period.select(wanted).unique(key).with_columns(pl.lit(True).alias(_FOUND))
    )
    rows = asked.join(found, on=key, how="left", maintain_order="left")
    return rows.with_columns(pl.col(_FOUND).fill_null(False))


def find_unseen(
    theirs: Definition, split: Split, refitted: bool, rows: pl.DataFrame
) -> dict[str, Array]:
    """Tell which rows are later than, or were held out from, what each champion's model saw."""
    found = pl.col(_FOUND)
    if split.gap is None:
        columns = [name for name in rows.columns if name not in (TIME, _FOUND)]
        held_out = part_of_row(theirs, split, columns) == Part.HOLDOUT
        unseen = {"released": held_out, "twin": held_out}
    else:
        twin = pl.col(TIME) >= split.gap
        unseen = {"released": pl.col(TIME) > split.matured if refitted else twin, "twin": twin}
    return {
        model: rows.select((found & mask).fill_null(False)).to_series().to_numpy()
        for model, mask in unseen.items()
    }


def _same_data(ours: Definition, theirs: Definition) -> bool:
    return (ours.sources, ours.extract.query) == (theirs.sources, theirs.extract.query)
