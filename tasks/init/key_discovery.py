"""Key discovery: columns that together are different in every row (a unique column combination)."""

from collections.abc import Iterable, Sequence

from tasks.analysis.alike_rows import count_kinds, explain_kinds
from tasks.analysis.leakage_hints import AN_ID
from tasks.core.definition import Frozen
from tasks.core.sql import is_text
from tasks.init.column_statistics import count_unique
from tasks.init.column_survey import ColumnSurvey
from tasks.init.feature_selection import Feature, is_counter

_KEY_ROWS, _KEY_COLUMNS, _KEY_CANDIDATES = 2_000_000, 3, 40
CHANCE = 0.01  # share of rows that may repeat a key which was different in every row so far


class RowKey(Frozen):
    """The columns of a key, and the share of rows in which they are `repeated`.

    `numbers` is true of a column that the query makes: a number for each row.
    """

    columns: tuple[str, ...] = ()
    note: str = ""
    repeated: float = 0.0
    numbers: bool = False


def find_key(survey: ColumnSurvey, given: tuple[str, ...], features: Sequence[Feature]) -> RowKey:
    """Find columns that are different in every row, where that costs little.

    Tried are the key that is given, one column that is an id, and then the event time with up to
    three more columns, added greedily.
    """
    facts, event, rows = survey.facts, survey.event, survey.rows
    if given:
        repeated = 1 - count_unique(survey.table, [given])[0] / rows
        note = f"{repeated:.1%} of rows repeat it" if repeated else "no row repeats it"
        return RowKey(columns=given, note=note, repeated=repeated)
    taken = (survey.target, event.column)
    unique = [name for name, fact in facts.items() if fact.distinct == rows and name not in taken]
    texts = [name for name in unique if is_text(facts[name].dtype)]
    whole = [name for name in unique if facts[name].dtype.is_integer()]
    named = [name for name in (*texts, *whole) if AN_ID.search(name)]
    if named or texts:
        return RowKey(columns=((named or texts)[0],), note="different in every row")
    if event.column and rows <= _KEY_ROWS and (grown := _grow_key(survey, features)):
        together = "together " if len(grown) > 1 else ""
        return RowKey(columns=grown, note=f"{together}different in every row", repeated=CHANCE)
    if counters := [name for name in whole if is_counter(facts[name])]:
        return RowKey(
            columns=(counters[0],), note="counts the rows: does it go on in the next file?"
        )
    if not event.column and (found := count_kinds(survey.table.rows, (survey.target,))).is_coarse:
        return _number_rows(survey, explain_kinds(found, survey.target))
    return RowKey(note="none was found that is different in every row")


def _number_rows(survey: ColumnSurvey, why: str) -> RowKey:
    """Let the query number rows that are alike: by a hash, all of a kind would be on one side."""
    names = ("row_number", *(f"row_number_{place}" for place in range(2, len(survey.facts) + 3)))
    named = next(name for name in names if name not in survey.facts)
    note = f"{why}: the query numbers them, to split them row by row; add new ones at the end"
    return RowKey(columns=(named,), note=note, numbers=True)


def _grow_key(survey: ColumnSurvey, features: Iterable[Feature]) -> tuple[str, ...]:
    """Add to the event time the column that tells most rows apart, until all are, or give up."""
    facts, event = survey.facts, survey.event
    assert event.column is not None
    key, different = [event.column], facts[event.column].distinct
    whole = [name for name, fact in facts.items() if not (fact.nulls or fact.dtype.is_float())]
    columns = [feature.column for feature in features if not feature.reason]
    candidates = [name for name in columns if name in whole and name != event.column]
    candidates = candidates[:_KEY_CANDIDATES]
    while different < survey.rows and len(key) <= _KEY_COLUMNS and candidates:
        found = count_unique(survey.table, [(*key, each) for each in candidates])
        counts = dict(zip(candidates, found, strict=True))
        best = max(counts, key=lambda name: (counts[name], -facts[name].distinct))
        different = counts[best]
        key.append(best)
        candidates.remove(best)
    return tuple(key) if different == survey.rows else ()


def leave_out_key(feature: Feature, key: RowKey) -> Feature:
    """Leave out a column that is the whole key; parts of a key may well say something."""
    if feature.reason or key.columns != (feature.column,) or feature.is_part:
        return feature
    return feature.model_copy(update={"reason": "the key"})
