"""What keys of a definition ask of each other, in the words of JSON Schema.

Each rule is one that the models or `definition_check` have: they refuse, and an editor is told
before. Only keywords that draft 7 has, too, are used. Not responsible for a key by itself.
"""

from typing import Any

from tasks.core.deviances import DEVIANCES, OBJECTIVE
from tasks.core.model_sections import METRICS, OF_QUANTILES, Metric

Rule = dict[str, Any]
_DATABASE, _NOTHING = r"^postgres(ql)?://", r"^\s*0+[mhdw]"
URI: dict[str, Any] = {
    "any": r"^((s3|postgres|postgresql):/|(?!\w+:/))(.|\n)",
    "files": r"^(s3:/|(?!\w+:/))(.|\n)",  # a database needs a table or a query besides
    "secret": {"not": {"pattern": r"^postgres(ql)?://(.*\w*password=[^&\s]|[^:\s]*:\S+@)"}},
}


def _has(*keys: str, **values: Any) -> Rule:
    """Say that keys are given, and some of them with a value of this kind."""
    return {"type": "object", "required": [*keys, *values], "properties": values}


def _inside(section: str, rule: Rule) -> Rule:
    return {"type": "object", "required": [section], "properties": {section: rule}}


def _never(*keys: str) -> Rule:
    return {"properties": dict.fromkeys(keys, False)}


def _when(asked: Rule, then: Rule) -> Rule:
    return {"if": asked, "then": then}


def _unless(asked: Rule, then: Rule) -> Rule:
    return {"if": {"type": "object", "not": asked}, "then": then}


def _judges(metric: Rule, second: Rule) -> Rule:
    return {"properties": {"gate": {"properties": {"metric": metric, "second_metric": second}}}}


def _one_of(metrics: list[Metric]) -> Rule:
    """Name the metrics of a kind; cost needs [serving] cost, which the model asks for."""
    return {"enum": [*metrics, *(("cost",) if metrics == list(METRICS["binary"]) else ())]}


_NO_TIME = {
    "properties": {
        "training": {"properties": {"holdout": {"type": "number"}, "folds": False}},
        "extract": _never("window"),
        "checks": _never("max_age", "max_silence", "allow_future"),
    }
}
_FOLLOWS = {
    "allOf": [
        _inside("target", _has(kind={"const": "binary"})),
        _inside("extract", _has("time", key={"minItems": 1})),
        {"properties": {"serving": {"properties": {"log": {"const": True}}}}},
        {"properties": {"training": _never("weight")}},
    ]
}


def _aims(objective: str) -> Rule:
    """Say that a regression's objective is this one, by whichever of LightGBM's names for it."""
    named = [_has(**{name: {"const": objective}}) for name in OBJECTIVE]
    return {
        "allOf": [
            _inside("target", _has(kind={"const": "regression"})),
            _inside("training", _inside("params", {"anyOf": named})),
        ]
    }


_DEVIANT = {objective: _aims(objective) for objective in DEVIANCES}
_ASKS_QUANTILES = _inside("target", _has("quantiles"))
_HAS_INTERVAL = _inside("serving", _has("interval"))
_PLAIN = {"type": "object", "not": {"anyOf": [*_DEVIANT.values(), _ASKS_QUANTILES]}}
_OF_QUANTILES = {  # what else may be said beside them
    "properties": {
        "target": {"properties": {"kind": {"const": "regression"}}},
        "training": {
            "properties": {
                "engine": {"const": "local"},
                "monotone": {"maxProperties": 0},
                "params": _never(*OBJECTIVE, "alpha"),
            }
        },
        "serving": _never("interval"),
        "gate": {
            "properties": {
                "calibration_at_most": False,
                "calibration_margin": False,
                "metric": {"not": {"const": "coverage_error"}},
            }
        },
    }
}
_SETTINGS: list[tuple[Rule, list[Metric]]] = [
    *(
        ({"allOf": [_inside("target", _has(kind={"const": kind})), _PLAIN]}, list(metrics))
        for kind, metrics in METRICS.items()
    ),
    *(
        (asked, [DEVIANCES[objective].metric, *METRICS["regression"]])
        for objective, asked in _DEVIANT.items()
    ),
    (_ASKS_QUANTILES, list(OF_QUANTILES)),
]
_BY_KIND = [
    rule
    for asked, metrics in _SETTINGS
    for rule in (
        _when(asked, _judges(_one_of(metrics), _one_of(metrics))),
        _when(
            {"allOf": [asked, {"not": _inside("gate", _has("metric"))}]},
            _judges({}, {"not": {"const": metrics[0]}}),
        ),
    )
]
_METRICS = sorted({metric for _, metrics in _SETTINGS for metric in metrics})

RULES: dict[str, list[Rule]] = {
    "Source": [
        {
            **_when(
                _has(uri={"pattern": _DATABASE}),
                {
                    **_never("separator", "null_values", "types", "missing_columns"),
                    "oneOf": [{"required": ["table"]}, {"required": ["query"]}],
                },
            ),
            "else": _never("table", "query", "partition_on", "partitions"),
        }
    ],
    "FeatureTable": [
        _unless(
            _has("time"),
            {
                "properties": {
                    "over": False,
                    "known_after": {"pattern": _NOTHING},
                    "entity": {"minItems": 1},
                }
            },
        )
    ],
    "ColumnCheck": [
        _when(_has(type={"enum": ["text", "boolean", "time"]}), _never("min", "max")),
        _when(_has("outside"), {"anyOf": [{"required": ["min"]}, {"required": ["max"]}]}),
        _when(_has("unseen"), {"required": ["values"]}),
    ],
    "Target": [_when(_has("unit"), {"properties": {"kind": {"const": "regression"}}})],
    "Training": [_unless(_has(engine={"const": "dask"}), _never("scheduler", "workers"))],
    "Approval": [_when(_has(mode={"const": "auto"}), _never("signers"))],
    "Definition": [
        _when(
            _HAS_INTERVAL,
            {
                "properties": {
                    "target": {"properties": {"kind": {"const": "regression"}}},
                    "training": {"properties": {"engine": {"const": "local"}}},
                }
            },
        ),
        _when(_ASKS_QUANTILES, _OF_QUANTILES),
        _unless(
            {"anyOf": [_HAS_INTERVAL, _ASKS_QUANTILES]},
            {"properties": {"gate": _never("coverage_margin")}},
        ),
        _when(
            {"properties": {"sources": {"minProperties": 2}}, "required": ["sources"]},
            _inside("extract", {"required": ["query"]}),
        ),
        _unless(_inside("extract", _has("time")), _NO_TIME),
        _when(_inside("gate", _has("worst_fold")), _inside("training", _has("folds"))),
        _unless(
            _inside("extract", _has(key={"minItems": 1})),
            {"properties": {"checks": _never("duplicates")}},
        ),
        _unless(
            _inside("target", _has(kind={"const": "binary"})),
            {"properties": {"checks": _never("label_rate")}},
        ),
        _when(_inside("serving", _has("follow_base_rate")), _FOLLOWS),
        _unless(
            _inside("target", _has(kind={"const": "regression"})),
            {"properties": {"gate": _never("naive")}},
        ),
        *_BY_KIND,
        *(
            _when(
                _inside("gate", _has(metric={"const": metric})),
                _judges({}, {"not": {"const": metric}}),
            )
            for metric in _METRICS
        ),
    ],
}
