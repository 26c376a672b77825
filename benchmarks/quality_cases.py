"""Tables by which models are held against plain code, and the keys that each task needs.

Those of scikit-learn and its generators are made here, by seed; `adult` and `bike` are read from
the folder that TABLES names, and are left out where there is none. No default was chosen by them.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import datasets

TABLES = os.environ.get("TABLES", "")  # a folder with adult.csv and bike_hour.csv
Make = Callable[[np.random.Generator], pl.DataFrame]


@dataclass(frozen=True)
class Case:
    """One task: a table, its target, keys by section, and the metric that is compared.

    Small tables are split by several `seeds`, and their mean counts: one holdout of 100 rows says
    less than the differences that are looked for. `params` are the plain code's.
    """

    table: str
    make: Make
    target: str
    metric: str
    about: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    seeds: int = 1
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def outside(self) -> bool:
        """Whether its table is one that is not made here."""
        return self.table in ("adult", "bike")

    @property
    def name(self) -> str:
        return f"{self.table} {self.about}".strip().replace(",", "").replace(" ", "-")


def read(name: str) -> Make:
    return lambda _: pl.read_csv(Path(TABLES, name), null_values=["?"], infer_schema_length=None)


def bundled(load: Callable[[], object]) -> Make:
    """Take a table that scikit-learn brings."""

    def make(_: np.random.Generator) -> pl.DataFrame:
        bunch = load()
        data, target = bunch.data, bunch.target  # type: ignore[attr-defined]
        table = pl.DataFrame(data, schema=[f"x{place}" for place in range(data.shape[1])])
        return table.with_columns(y=pl.Series(target))

    return make


def frame(rows: np.ndarray, target: np.ndarray) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=[f"x{place}" for place in range(rows.shape[1])])
    return table.with_columns(y=pl.Series(target))


def make_rare(draw: np.random.Generator) -> pl.DataFrame:
    """One row in a thousand is positive."""
    seed = int(draw.integers(1 << 30))
    return frame(*datasets.make_classification(
        100_000, 20, n_informative=8, weights=[0.999], flip_y=0, class_sep=1.0, random_state=seed
    ))  # fmt: skip


def make_friedman(draw: np.random.Generator) -> pl.DataFrame:
    """Give Friedman's function of five of ten numbers, noise that grows with x0, and a slice."""
    rows, target = datasets.make_friedman1(
        8_000, noise=0.5, random_state=int(draw.integers(1 << 30))
    )
    wide = draw.normal(size=len(rows)) * 2 * rows[:, 0]
    table = frame(rows, target + wide)
    return table.with_columns(zone=pl.when(pl.col("x0") > 0.7).then(pl.lit("far")).otherwise(
        pl.when(pl.col("x5") > 0.5).then(pl.lit("mid")).otherwise(pl.lit("near"))
    ))  # fmt: skip


def make_hastie(draw: np.random.Generator) -> pl.DataFrame:
    rows, target = datasets.make_hastie_10_2(12_000, random_state=int(draw.integers(1 << 30)))
    return frame(rows, (target > 0).astype(int))


def make_few_features(draw: np.random.Generator) -> pl.DataFrame:
    """Four numbers that say most of it together."""
    seed = int(draw.integers(1 << 30))
    return frame(*datasets.make_friedman2(6_000, noise=50, random_state=seed))


def make_kinds(draw: np.random.Generator) -> pl.DataFrame:
    """Twelve kinds of passengers, alike in all but what became of them."""
    level, age, woman = draw.integers(0, 3, 1_300), draw.integers(0, 2, 1_300), draw.random(1_300)
    odds = 1.5 - level + 0.5 * (age == 0) + 2 * (woman < 0.4) - 1
    yes = draw.random(1_300) < 1 / (1 + np.exp(-odds))
    return pl.DataFrame({"class": level, "age": age, "woman": woman < 0.4, "saved": yes})


def make_claims(draw: np.random.Generator) -> pl.DataFrame:
    """Insurance: how many claims in how long an exposure, and how much they came to."""
    count = 20_000
    age, power = draw.integers(18, 90, count), draw.integers(4, 13, count)
    region = draw.choice(["north", "south", "east", "west"], count, p=[0.4, 0.3, 0.2, 0.1])
    exposure = draw.uniform(0.1, 1, count)
    rate = 0.4 * np.exp(0.9 * (age < 25) + 0.06 * (power - 8) + 0.4 * (region == "west"))
    claims = draw.poisson(rate * exposure)
    mean = 900 * np.exp(0.05 * (power - 8) + 0.3 * (region == "south"))
    amount = np.array([draw.gamma(2 * n, m / 2) if n else 0.0 for n, m in zip(claims, mean)])  # noqa: B905
    noise = {f"z{place}": draw.normal(size=count) for place in range(3)}
    return pl.DataFrame(
        {"age": age, "power": power, "region": region, "exposure": exposure.round(3), **noise,
         "claims": claims, "amount": amount.round(2)}
    )  # fmt: skip


def make_counts(draw: np.random.Generator) -> pl.DataFrame:
    claims = make_claims(draw)
    return claims.select(
        pl.exclude("claims", "amount"), rate=(pl.col("claims") / pl.col("exposure")).round(6)
    )


def make_amounts(draw: np.random.Generator) -> pl.DataFrame:
    return make_claims(draw).drop("claims")


def make_severities(draw: np.random.Generator) -> pl.DataFrame:
    return make_claims(draw).filter(pl.col("claims") > 0).drop("exposure", "claims")


def make_customers(draw: np.random.Generator) -> pl.DataFrame:
    """Several rows of each customer, whose own habit no feature of another tells."""
    customers, each = 800, 8
    habit = np.repeat(draw.normal(size=customers), each)
    told = np.repeat(draw.normal(size=(customers, 3)), each, axis=0)
    rows = np.column_stack([told, draw.normal(size=(customers * each, 3))])
    odds = habit + rows[:, 0] + rows[:, 3] * rows[:, 4]
    target = draw.uniform(size=len(rows)) < 1 / (1 + np.exp(-odds))
    names = np.repeat([f"c{place:04}" for place in range(customers)], each)
    return frame(rows, target.astype(int)).with_columns(customer=pl.Series(names))


def make_series(draw: np.random.Generator) -> pl.DataFrame:
    """Daily temperatures of eight years: a yearly wave, and weather that lasts some days."""
    days = 365 * 8
    weather = np.zeros(days)
    for day in range(1, days):
        weather[day] = 0.7 * weather[day - 1] + draw.normal() * 2
    wave = 10 - 9 * np.cos(2 * np.pi * np.arange(days) / 365.25)
    day = pl.date_range(pl.date(2016, 1, 1), pl.date(2016, 1, 1) + pl.duration(days=days - 1))
    return pl.select(day=day).with_columns(temperature=pl.Series((wave + weather).round(1)))


def make_rentals(draw: np.random.Generator) -> pl.DataFrame:
    """Rentals of each three hours that grow for two years and a half, with noise in proportion."""
    hour = 3 * np.arange(8 * 912)
    day = hour // 24
    weather = np.zeros(day[-1] + 1)
    for each in range(1, len(weather)):
        weather[each] = 0.8 * weather[each - 1] + 0.6 * draw.normal()
    wave = np.sin(hour % 24 * 2 * np.pi / 24 - 2) - 0.4 * np.cos(2 * np.pi * day / 365)
    mean = 80 * (1 + day / 730) * np.exp(0.7 * wave + 0.15 * weather[day])
    start = pl.datetime(2021, 1, 1)
    return pl.select(
        time=start + pl.duration(hours=pl.Series(hour)), weather=pl.Series(weather[day].round(2))
    ).with_columns(
        hour=pl.col("time").dt.hour(), weekday=pl.col("time").dt.weekday(),
        month=pl.col("time").dt.month(), year=pl.col("time").dt.year(),
        rented=pl.Series((mean * np.exp(0.25 * draw.normal(size=len(hour)))).round(1)),
    )  # fmt: skip


_WIDE = {"num_leaves": 127, "learning_rate": 0.3, "min_data_in_leaf": 5}
_POISSON = 'params = { objective = "poisson" }'
_INTERVAL = {"serving": "interval = 0.9"}
_LEVELS = (0.1, 0.5, 0.9)
_QUANTILES = {"target": f"quantiles = {list(_LEVELS)}"}
_OTHERS = (
    Case("adult", read("adult.csv"), "salary", "auc"),
    Case("adult", read("adult.csv"), "salary", "cost", "costs", {
        "serving": 'cost = { false_alarm = 1, missed = 5 }\nthreshold = "auto"',
    }),
    Case("bike", read("bike_hour.csv"), "cnt", "rmse"),
    Case("bike", read("bike_hour.csv"), "cnt", "poisson_deviance", "poisson",
         {"training": _POISSON}, params={"objective": "poisson"}),
    Case("bike", read("bike_hour.csv"), "cnt", "rmse", "interval", _INTERVAL),
    Case("bike", read("bike_hour.csv"), "cnt", "pinball_loss", "quantiles", _QUANTILES,
         params={"quantiles": _LEVELS}),
)  # fmt: skip
_MADE = (
    Case("breast cancer", bundled(datasets.load_breast_cancer), "y", "log_loss", seeds=5),
    Case("wine", bundled(datasets.load_wine), "y", "log_loss", seeds=5),
    Case("iris", bundled(datasets.load_iris), "y", "log_loss", seeds=5),
    Case("digits", bundled(datasets.load_digits), "y", "log_loss", seeds=2),
    Case("diabetes", bundled(datasets.load_diabetes), "y", "rmse", seeds=5),
    Case("rare", make_rare, "y", "average_precision", "1 in 1000", seeds=2),
    Case("friedman", make_friedman, "y", "rmse", "interval", _INTERVAL),
    Case("friedman", make_friedman, "y", "rmse", "monotone", {
        "training": "monotone = { x3 = 1, x4 = 1 }",
    }, params={"monotone": ("x3", "x4")}),
    Case("friedman", make_friedman, "y", "pinball_loss", "quantiles", _QUANTILES,
         params={"quantiles": _LEVELS}),
    Case("rentals", make_rentals, "rented", "rmse", "interval", _INTERVAL),
    Case("rentals", make_rentals, "rented", "pinball_loss", "quantiles", _QUANTILES,
         params={"quantiles": _LEVELS}),
    Case("friedman 2", make_few_features, "y", "rmse", "few features", seeds=3),
    Case("kinds", make_kinds, "saved", "log_loss", seeds=3),
    Case("hastie", make_hastie, "y", "auc"),
    Case("hastie", make_hastie, "y", "log_loss", "recalibrated", {
        "training": "params = { num_leaves = 127, learning_rate = 0.3, min_data_in_leaf = 5 }",
        "gate": "calibration_margin = 0.005",
    }, params=_WIDE),
    Case("claims", make_counts, "rate", "poisson_deviance", "poisson by weight", {
        "training": f'weight = "exposure"\n{_POISSON}',
    }, params={"objective": "poisson", "weight": "exposure"}),
    Case("claims", make_severities, "amount", "gamma_deviance", "gamma", {
        "training": 'params = { objective = "gamma" }',
    }, params={"objective": "gamma"}),
    Case("claims", make_amounts, "amount", "tweedie_deviance", "tweedie", {
        "training": 'params = { objective = "tweedie" }',
    }, params={"objective": "tweedie"}),
    Case("customers", make_customers, "y", "auc", "group", {
        "training": 'group = "customer"',
    }),
    Case("temperatures", make_series, "temperature", "rmse", "series, folds", {
        "training": "folds = 4",
    }),
)  # fmt: skip
CASES = {case.name: case for case in (*_OTHERS, *_MADE)}
