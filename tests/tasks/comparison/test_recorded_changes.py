"""What two versions' own files say that changed."""

from pathlib import Path

import polars as pl
from compared import DEFINITION, EARLY, HOSTILE, Versions, draw_rows

from tasks.comparison.recorded_changes import (
    RecordedChanges,
    compare_code,
    compare_definitions,
    list_all_changes,
    read_record,
)
from tasks.core.definition import parse_definition
from tasks.registry.versions import Published
from tasks.storage.store import open_store
from tasks.training.published_model import load


def changes(before: Published, after: Published) -> RecordedChanges:
    store = open_store()
    return list_all_changes(*(read_record(load(store, each)) for each in (before, after)))


def test_keys_are_told_with_both_sides_whether_given_or_not() -> None:
    before = parse_definition(DEFINITION, "before")
    text = DEFINITION.replace('"20d"', '"30d"').replace("num_leaves = 7", "max_bin = 63")
    after = parse_definition(
        text + '[schedule]\nretrain = "0 5 * * 1"\n[monitoring]\nrows = 700', "after"
    )
    told = {each.name: (each.before, each.after) for each in compare_definitions(before, after)}
    assert told.pop("monitoring.rows")[1] == 700
    assert told.pop("schedule.retrain")[1] == "0 5 * * 1"
    assert told == {
        "training.holdout": ("20d", "30d"),
        "training.params.num_leaves": (7, None),
        "training.params.max_bin": (None, 63),
    }


def test_two_keys_never_share_a_path() -> None:
    texts = (f"{DEFINITION}[checks.columns]\n{name} = {{ nulls = 0.5 }}" for name in ("x", '"x.y"'))
    one, other = (parse_definition(text, "d") for text in texts)
    names = {each.name for each in compare_definitions(one, other)}
    assert {"checks.columns.x.nulls", 'checks.columns."x.y".nulls'} <= names


def test_same_inputs_under_another_description_change_that_alone(versions: Versions) -> None:
    before = versions.make()
    after = versions.make('description = "told otherwise"\n' + DEFINITION)
    found = changes(before, after)
    assert [each.name for each in found.definition] == ["description"]
    assert (found.data.same, found.fitted, found.modules, found.packages) == (True, (), (), ())
    assert {each.change for each in found.features} == {"none"}
    assert (found.nothing, changes(before, before).nothing) == (False, True)


def test_features_and_columns_that_came_went_or_changed_are_named(versions: Versions) -> None:
    before = versions.make(as_of=EARLY)
    rows = draw_rows().with_columns(pl.col("k").cast(pl.Float64), pl.lit(1).alias(HOSTILE))
    versions.write(rows.drop("band").with_columns(pl.col("x") + 3))
    text = DEFINITION.replace('x = "x"', 'x = "x * 2"').replace('c = "c"', 'x_k = "x * k"')
    found = changes(before, versions.make(text))
    told = {each.name: (each.change, each.before, each.after) for each in found.features}
    assert told == {
        "x": ("changed", "x", "x * 2"),
        "k": ("none", "k", "k"),
        "c": ("removed", "c", None),
        "x_k": ("added", None, "x * k"),
    }
    assert found.features[-1].name == "k"
    shares = {each.name: (each.share_before, each.share_after) for each in found.features}
    assert shares["c"][1] is None
    assert shares["x"][0] > 0.3
    columns = {each.column: each.change for each in found.data.columns}
    assert columns == {HOSTILE: "added", "band": "removed", "k": "retyped"}
    assert found.data.drift[0].column in ("x", "id")
    assert "t" not in {each.column for each in found.data.drift}
    rows_told = {each.name for each in found.data.rows}
    assert {"all rows", "fit", "as of"} <= rows_told
    assert [each.name for each in found.data.sources] == ["s"]


def test_modules_of_the_project_s_own_are_compared_line_by_line(versions: Versions) -> None:
    module = Path("own.py")
    text = DEFINITION.replace('x = "x"', 'x = { python = "own:x", columns = ["x"] }')
    module.write_text("import polars as pl\n\n\ndef x(x):\n    return x * 2\n")
    before = versions.make(text)
    module.write_text("import polars as pl\n\n\ndef x(x):\n    return x * 3\n")
    (found,) = changes(before, versions.make(text)).code
    assert found.module == "own.py"
    assert [line for line in found.lines[2:] if line[:1] in "+-"] == [
        "-    return x * 2", "+    return x * 3",
    ]  # fmt: skip
    (gone,) = compare_code({"a.py": "one"}, {})
    assert gone.lines[-1] == "-one"
