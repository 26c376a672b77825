"""The schema takes what `perennial` takes, refuses what it refuses, and explains every key."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tables import define

from tasks.core.definition import parse_definition
from tasks.init.definition_schema import POINTER, SCHEMA_FILE, definition_schema, write_schema

REPOSITORY = Path(__file__).parents[3]
SCHEMA = definition_schema()
CHECKED = Draft202012Validator(SCHEMA)
SOURCE = 's = {{ uri = "{}", {} }}'
TABLE = 'source = "s"\nentity = ["c"]\nvalues = { a = "SUM(x)" }\n'
QUANTILES = 'value = "y"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]'
TAKEN = [
    {},
    {"sources": '"größe" = "s.csv"'},
    {"sources": SOURCE.format("s3://b/*.tsv", 'null_values = ["?"]')},
    {"sources": SOURCE.format("postgresql://ann@db/sales", 'table = "t", partition_on = "id"')},
    {"sources": 'a = "a"\nb = "b"', "extract": 'query = "SELECT 1"\nkey = ["id"]'},
    {"extract": 'time = "t"\nwindow = " 26w "', "training": 'holdout = "36h"\nrounds = 7'},
    {"training": 'engine = "dask"\nscheduler = "tcp://10.0.0.1:8786"'},
    {"training.params": 'a = true\nb = "1"\nc = 0.5'},
    {
        "target": 'value = "y"\nkind = "regression"',
        "gate": 'metric = "mae"\nslices = ["c", "k > 1"]',
    },
    {
        "target": 'value = "y"\nkind = "regression"',
        "training.params": 'app = "gamma"',
        "gate": 'metric = "rmse"\nsecond_metric = "gamma_deviance"',
    },
    {
        "target": 'value = "y"\nkind = "regression"',
        "serving": "interval = 0.9",
        "gate": "coverage_margin = 0.05",
    },
    {"target": QUANTILES, "gate": 'coverage_margin = 0.1\nsecond_metric = "coverage_error"'},
    {"checks": "label_rate = [0, 1]", "serving": 'hosts = ["*", "a.example"]\nlog_keep = "0d"'},
    {"checks.columns.x": 'type = "number"\nmin = 1\noutside = 0.1', "approval": 'mode = "auto"'},
    {"tables.t": TABLE + 'time = "t"\nover = "8d"'},
    {"training": 'weight = "k + 1"', "gate": "at_least = { auc = 0.7 }"},
    {"gate": "at_most = { brier = 0.2 }\nat_least_by_slice = { recall = 0 }"},
    {"serving": 'threshold = "auto"\ncost = { false_alarm = 1, missed = "x" }'},
    {"gate": 'fairness = { by = ["c"], at_most = 0.1 }'},
]
REFUSED = [
    {"targte": ""},
    {"sources": 's = { uri = "s.csv", seperator = ";" }'},
    {"sources": "s = 3"},
    {"sources": '"a b" = "s.csv"'},
    {"sources": 's = "https://a/s.csv"'},
    {"sources": 's = "postgresql://db/sales"'},
    {"sources": SOURCE.format("postgresql://ann:secret@db/sales", 'table = "t"')},
    {"sources": SOURCE.format("postgresql://db/sales?password=secret", 'table = "t"')},
    {"sources": SOURCE.format("postgresql://db/sales", 'table = "t", query = "SELECT 1"')},
    {"sources": SOURCE.format("postgresql://db/sales", 'table = "t", separator = ";"')},
    {"sources": SOURCE.format("s.csv", 'table = "t"')},
    {"sources": 'a = "a.csv"\nb = "b.csv"'},
    {"extract": 'key = "id"'},
    {"extract": 'key = ["id", "id"]'},
    {"extract": 'query = " "'},
    {"extract": 'time = "t"\nwindow = 30'},
    {"extract": 'time = "t"\nwindow = "0d"'},
    {"extract": 'window = "9d"'},
    {"extract": "", "training": 'holdout = "9d"'},
    {"training": "holdout = 1.5"},
    {"training": 'rounds = "100"'},
    {"training": "params = { a = [1] }"},
    {"training": "workers = 2"},
    {"checks": "duplicates = true"},
    {"checks.columns.x": "null = 0"},
    {"checks.columns.x": 'type = "text"\nmin = 2'},
    {"features": ""},
    {"features": "x = 1"},
    {"gate": 'metric = "rmse"'},
    {"target": 'value = "y"\nkind = "regression"', "gate": 'metric = "poisson_deviance"'},
    {
        "target": 'value = "y"\nkind = "regression"',
        "training.params": 'objective = "poisson"',
        "gate": 'metric = "gamma_deviance"',
    },
    {"approval": 'mode = "auto"\nsigners = "keys"'},
    {"serving": 'hosts = ["a.example:80"]'},
    {"serving": "threshold = 1"},
    {"serving": "interval = 0.9"},
    {"gate": "coverage_margin = 0.05"},
    *(
        {"target": 'value = "y"\nkind = "regression"', "serving": f"interval = {share}", **others}
        for share, others in (
            (1, {}),
            (0.2, {}),
            (0.9, {"training": 'engine = "dask"'}),
        )
    ),
    *(
        {"target": QUANTILES, section: text}
        for section, text in (
            ("serving", "interval = 0.9"),
            ("training", 'engine = "dask"'),
            ("training", "monotone = { x = 1 }"),
            ("training", 'params = { app = "poisson" }'),
            ("training", "params = { alpha = 0.2 }"),
            ("gate", "calibration_at_most = 0.2"),
            ("gate", 'metric = "coverage_error"'),
            ("gate", 'metric = "rmse"'),
        )
    ),
    {"target": 'value = "y"\nkind = "binary"\nquantiles = [0.1, 0.9]'},
    {"target": 'value = "y"\nkind = "binary"\nunit = "minutes"'},
    {"target": 'value = "y"\nkind = "regression"\nunit = " "'},
    {"target": 'value = "y"\nkind = "regression"\nquantiles = [0.1]'},
    {"target": 'value = "y"\nkind = "regression"\nquantiles = [0.1, 1.0]'},
    {"target": 'value = "y"\nkind = "regression"', "checks": "label_rate = [0, 1]"},
    {"tables.t": TABLE + 'over = "8d"'},
]
IDLE = [  # what `definition_check` refuses beside the columns
    {"extract": 'key = ["id"]', "checks": "allow_future = true"},
    {"extract": 'time = "t"', "checks": "duplicates = 0.1"},
    {"checks.columns.x": "outside = 0.1"},
    {"checks.columns.x": "unseen = 0.1"},
    {"gate": 'second_metric = "auc"'},
    {
        "target": 'value = "y"\nkind = "regression"',
        "training.params": 'objective = "poisson"',
        "gate": 'second_metric = "poisson_deviance"',
    },
    {"gate": 'metric = "brier"\nsecond_metric = "brier"'},
]


def refusals(text: str) -> list[str]:
    return [error.message for error in CHECKED.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("**/deployments/*.toml")), ids=str)
def test_schema_accepts_every_definition_of_the_repository(path: Path) -> None:
    assert refusals(path.read_text()) == []


@pytest.mark.parametrize("sections", TAKEN)
def test_schema_accepts_what_perennial_accepts(sections: dict[str, str]) -> None:
    parse_definition(define(**sections), "made.toml")
    assert refusals(define(**sections)) == []


@pytest.mark.parametrize("sections", REFUSED)
def test_schema_refuses_what_perennial_refuses(sections: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"^made\.toml: "):
        parse_definition(define(**sections), "made.toml")
    assert refusals(define(**sections)) != []


@pytest.mark.parametrize("sections", IDLE)
def test_schema_refuses_keys_that_would_do_nothing(sections: dict[str, str]) -> None:
    assert refusals(define(**sections)) != []


def keys_of(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for section in (node, *node["$defs"].values()):
        for name, said in section["properties"].items():
            yield (
                name,
                node["$defs"][said["$ref"].rpartition("/")[2]] | said if "$ref" in said else said,
            )


def test_schema_is_of_the_draft_that_it_names_and_says_something_about_every_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [name for name, said in keys_of(SCHEMA) if len(said.get("description", "")) < 10] == []
    assert all(
        each["additionalProperties"] is False for each in (SCHEMA, *SCHEMA["$defs"].values())
    )
    serving = SCHEMA["$defs"]["Serving"]["properties"]
    assert serving["log_keep"]["default"] == "90d"
    assert '"null"' not in json.dumps(
        [said for name, said in keys_of(SCHEMA) if name != "missing_columns"]
    )


def test_schema_lies_beside_the_definitions_whose_first_line_points_to_it(project: Path) -> None:
    path = write_schema()
    assert path == Path("deployments") / SCHEMA_FILE
    assert json.loads(path.read_text()) == SCHEMA
    first = (REPOSITORY / "deployments" / "flight_delay.toml").read_text().splitlines()[0]
    assert first == POINTER


def test_repository_s_own_copy_is_what_the_models_say() -> None:
    kept = (REPOSITORY / "deployments" / SCHEMA_FILE).read_text()
    assert json.loads(kept) == SCHEMA, (
        "write it anew: perennial schema > deployments/" + SCHEMA_FILE
    )
