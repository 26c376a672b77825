"""Features of the project's own Python, from the definition to the service and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from project_code import FEATURES, MODULE, write_module
from tables import ROWS, Project, define

from bentos.model import load_folder
from tasks.core.errors import DefinitionError, StoreError
from tasks.features.transform import Features
from tasks.maintenance.reproduce import reproduce_version
from tasks.registry.versions import Published, find_version, read_json
from tasks.storage.store import open_store
from tasks.training.published_model import load

TRAINING = "threads = 1\nrounds = 5\nparams = { min_data_in_leaf = 5 }"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make a project with a module of its own, and Prefect's steps as plain functions."""
    import flows.retrain as steps

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
        monkeypatch.setattr(steps, name, getattr(steps, name).fn)
    write_module(tmp_path)
    project = Project(tmp_path)
    project.write(ROWS)
    return project


def train(project: Project) -> Published:
    import flows.retrain as steps

    (project.folder / "made.toml").write_text(define(features=FEATURES, training=TRAINING))
    plan = steps.plan_retrain("made.toml", None)
    store = open_store()
    found = find_version(store, "made", plan.version)
    if found is None:
        (work := project.folder / plan.version).mkdir()
        found = steps.make_candidate(plan, store, work)
    return found


def test_service_and_training_go_by_what_the_functions_gave_and_run_none(own: Project) -> None:
    published = train(own)
    folder = own.folder / "root" / published.path
    for code in (own.folder / "churn").iterdir():
        code.unlink()
    model = load_folder(folder)
    assert model.program is None  # the category is no plain column
    rows = [(1.5, ROWS["t"][3], "north"), (None, None, None), (99.0, ROWS["t"][0], "west")]
    names = [column.name for column in model.columns if column.required]
    assert names == ["c", "t", "x"]
    frame = pl.DataFrame([(c, t, x) for x, t, c in rows], schema={n: ROWS.schema[n] for n in names},
                         orient="row")  # fmt: skip
    matrix = model.encode_frame(frame)
    assert matrix[:, :3].tolist()[0] == [1.5, 2.25, 7.0]
    assert matrix[2, 1] == 50.0
    assert np.isnan(matrix[1, :3]).all()
    kept = load(open_store(), published)
    assert np.array_equal(kept.predict(frame), model.predictor.predict(matrix))
    assert model.features.expressions["squared"] == "churn.features:squared(x)"


def test_plain_arithmetic_of_a_function_is_compiled_for_single_rows(own: Project) -> None:
    (own.folder / "made.toml").write_text(define())
    module = "import polars as pl\ndef f(k: pl.Expr) -> pl.Expr: return (k * 3 - 1) % 7 / 2\n"
    write_module(own.folder, module)
    features = 'f = { python = "churn.features:f", columns = ["k"] }'
    plan = own.plan(features=features)
    from bentos.columns import Column
    from bentos.row_compiler import compile_rows
    from tasks.features.transform import Vocabulary

    program = compile_rows(
        plan.features, Vocabulary(categories={}), [Column(name="k", dtype=pl.Int64())]
    )
    expected = ROWS.select((pl.col("k") * 3 - 1) % 7 / 2).to_numpy()
    assert np.array_equal(program([(k,) for k in ROWS["k"]]), expected)


def test_version_moves_with_the_code_and_lineage_names_it(own: Project) -> None:
    first = train(own)
    assert train(own).version == first.version
    write_module(own.folder, MODULE.replace("* 2 + 1", "* 2 + 3"))
    second = train(own)
    assert second.version != first.version
    store = open_store()
    lineages = [read_json(store, each, "lineage.json") for each in (first, second)]
    assert {*lineages[0]["feature_code"]} == {
        "churn/__init__.py", "churn/features.py", "churn/limits.py",
    }  # fmt: skip
    assert lineages[0]["feature_code"] != lineages[1]["feature_code"]
    assert read_json(store, first, "feature_code.json")["churn/features.py"] == MODULE


def test_version_is_reproduced_by_what_it_keeps_and_other_code_is_named(own: Project) -> None:
    published = train(own)
    write_module(own.folder, MODULE.replace("* 2 + 1", "* 2 + 3"))
    (own.folder / "churn" / "limits.py").unlink()
    (again := own.folder / "again").mkdir()
    found = reproduce_version(open_store(), published, again, own.folder)
    assert found.reproduced
    kept = "the expressions that the version keeps were taken instead"
    assert found.causes == (
        f"code: churn/features.py has changed since; {kept}",
        f"code: churn/limits.py is gone; {kept}",
    )


def test_features_of_sql_alone_are_published_as_they_always_were() -> None:
    features = Features(expressions={"x": "x"}, categories=(), columns={"x": "Int64"})
    assert {*json.loads(features.model_dump_json())} == {"expressions", "categories", "columns"}


def test_code_in_a_published_tree_is_refused_where_it_would_run() -> None:
    tree = pl.col("x").map_batches(print).meta.serialize(format="json")
    built: dict[str, Any] = {"f": {"tree": tree, "place": "churn/features.py:1"}}
    features = Features.model_validate(
        {"expressions": {"f": "churn:f()"}, "categories": (), "columns": {}, "built": built}
    )
    with pytest.raises(StoreError, match=r"feature 'f', churn:f\(\): calls Python"):
        features.expression("f")


SLIPS = [
    ("pl.col('x') - pl.col('x').mean()", "is an aggregate"),
    ("pl.col('k').shift()", "uses shift"),
    ("pl.col('x').map_elements(abs, return_dtype=pl.Float64)", r"calls Python \(map_elements"),
    ("pl.col('xx')", "there is no column 'xx'; did you mean 'x'"),
    ("pl.col('c') * 2", "arithmetic on dtypes str"),
    ("pl.col('t')", "gives Datetime.*make one of it in the function"),
    ("pl.col('y').shuffle()", "draws at random"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("body", "said"), SLIPS)
def test_expressions_that_no_row_can_answer_are_refused_by_file_and_line(
    own: Project, body: str, said: str
) -> None:
    write_module(own.folder, f"import polars as pl\n\ndef f(): return {body}\n")
    with pytest.raises(DefinitionError, match=said) as refused:
        own.plan(features='f = { python = "churn.features:f" }')
    start = r"made.toml: [features] f: "
    assert str(refused.value).startswith(start)
    if "Datetime" not in said:
        assert "churn/features.py:3: " in str(refused.value)
