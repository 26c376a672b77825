"""How good models are: drafted definitions beside what a careful engineer writes by hand.

Run `python -m benchmarks quality [NAME...]`, a name as in the record. Each table is a file in a
folder of its own; `perennial init` drafts its definition, the keys of the task are added, and the
steps of a retrain are taken. The plain code of `by_hand` learns from the same rows and predicts the
same holdout. Each number of the version's is computed again by scikit-learn.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.selectors import by_name

from benchmarks.by_hand import Task, number, predict_by_hand, split_conformal
from benchmarks.measure import describe_machine, read_record, say, write_record
from benchmarks.quality_cases import CASES, TABLES, Case
from benchmarks.scikit_numbers import count_again

GOAL = 0.01  # of the metric: by how much the plain code may be better
_RISING = {"auc", "average_precision", "accuracy", "r2"}
_POWERS = {"poisson_deviance": 1.0, "gamma_deviance": 2.0, "tweedie_deviance": 1.5}
_PLAIN = ("lightgbm", "stopped", "boosting")
_LEVELS, _SLICE_ROWS = 10, 200
_TITLE = "quality beside plain code"
_PARTS = {"fit": 0, "stop": 1, "held": 3}


def run_case(case: Case, seed: int) -> dict[str, Any]:
    """Draft, train and compare in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix=f"quality-{case.name}-") as name:
        folder = Path(name)
        os.environ["PERENNIAL_ROOT"], before = str(folder / "root"), Path.cwd()
        case.make(np.random.default_rng(seed)).write_csv(folder / "table.csv")
        command = [sys.executable, "-m", "flows.cli", "init", "table.csv", "--target", case.target]
        path = os.pathsep.join([str(before), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": path}
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        add_keys(folder / "deployments/table.toml", case, seed)
        try:
            os.chdir(folder)
            return compare(case, folder)
        finally:
            os.chdir(before)


def add_keys(path: Path, case: Case, seed: int) -> None:
    """Add a task's keys below the headings of their sections."""
    text = path.read_text()
    for section, lines in ({"training": "", **case.keys}).items():
        given = f"seed = {seed}\n{lines}" if section == "training" else lines
        if f"\n[{section}]\n" not in text:
            text += f"\n[{section}]\n"
        text = text.replace(f"\n[{section}]\n", f"\n[{section}]\n{given}\n")
    path.write_text(text)


def compare(case: Case, folder: Path) -> dict[str, Any]:
    """Take the steps of a retrain, hold its numbers against scikit-learn's and the plain code's."""
    from flows.retrain import plan_retrain
    from tasks.core.columns import ROLE, ROW, TARGET, WEIGHT
    from tasks.evaluation.task import evaluate
    from tasks.extraction.task import extract
    from tasks.features.transform import feature_expressions
    from tasks.preparation.task import prepare
    from tasks.training.task import train
    from tasks.validation.task import validate

    plan = plan_retrain("table", None)
    snapshot = extract.fn(plan, folder)
    prepared = prepare.fn(plan, snapshot, folder)
    trained = train.fn(plan, prepared, folder)
    found, kept = evaluate.fn(plan, snapshot, prepared, trained, folder)
    plan = plan.settle(found.chosen_threshold)
    verdict, scored = validate.fn(plan, snapshot, prepared, kept), kept.read()
    known = prepared.scan().select(pl.col(ROW, ROLE, TARGET), by_name(WEIGHT, require_all=False))
    raw = snapshot.scan().select(feature_expressions(plan.features)).collect()
    rows = known.collect()
    parts = {name: rows.filter(pl.col(ROLE) == role) for name, role in _PARTS.items()}
    weights = {
        name: part[WEIGHT].to_numpy() if WEIGHT in part.columns else None
        for name, part in parts.items()
    }
    names, texts = tuple(raw.columns), list(plan.features.categories)
    task = Task(
        kind=plan.definition.target.kind,
        **number({name: raw[part[ROW]] for name, part in parts.items()}, texts),
        target={name: part[TARGET].to_numpy() for name, part in parts.items()},
        weights=weights,
        names=names,
        categories=tuple(names.index(each) for each in texts),
        params=case.params,
    )
    costs = plan.definition.constant_costs
    powers = {case.metric: _POWERS[case.metric]} if case.metric in _POWERS else {}

    def measure(predicted: np.ndarray, threshold: float) -> dict[str, float]:
        given = weights["held"], costs, powers, plan.definition.target.quantiles or ()
        return count_again(task.kind, task.target["held"], predicted, threshold, *given)

    told = found.metrics["holdout"]
    predicted = np.array(scored["predicted"].to_list())
    again = measure(predicted, plan.definition.threshold if task.kind == "binary" else 0.5)
    assert again.keys() == told.keys(), f"{case.name}: {again.keys() ^ told.keys()}"
    # By hand, what a yes costs decides: false alarms over both kinds of mistake (Elkan 2001).
    threshold = costs[0] / sum(costs) if costs else 0.5
    plain = {name: measure(each, threshold) for name, each in predict_by_hand(task)}
    return {
        "verdict": "passed" if verdict.passed else "refused",
        "rows": {name: len(part) for name, part in parts.items()},
        "ours": told[case.metric],
        "plain": {name: each[case.metric] for name, each in plain.items()},
        "strays": max(abs(again[name] - told[name]) / max(1, abs(told[name])) for name in again),
        **(
            {"coverage": cover(plan, scored, task, raw)} if plan.definition.serving.interval else {}
        ),
    }


def cover(plan: Any, scored: pl.DataFrame, task: Task, raw: pl.DataFrame) -> list[dict[str, Any]]:
    """Measure our intervals, and split conformal's, on the holdout and by levels of categories."""
    from tasks.core.columns import HIGH, LOW, ROW

    held, found = raw[scored[ROW]], []
    ours = scored[LOW].to_numpy(), scored[HIGH].to_numpy()
    by = [name for name in plan.features.categories if held[name].n_unique() <= _LEVELS]
    for low, high in (ours, split_conformal(task, plan.definition.serving.interval)):
        inside = (low <= task.target["held"]) & (task.target["held"] <= high)
        slices = {}
        for name in by:
            for level in held[name].unique().drop_nulls().sort():
                part = (held[name] == level).fill_null(value=False).to_numpy()
                if part.sum() >= _SLICE_ROWS:
                    slices[f"{name} {level}"] = float(inside[part].mean())
        width = float(np.mean(high - low))
        found.append({"held": float(inside.mean()), "width": width, "slices": slices})
    return found


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [
        f"{title}",
        f"{'':34}{'metric':>18}{'ours':>10}{'lightgbm':>10}{'stopped':>10}{'boosting':>10}"
        f"{'worse by':>10}",
    ]
    for name, each in found.items():
        plain = each["plain"]
        told = "".join(f"{plain[who]:>10.4g}" if who in plain else f"{'–':>10}" for who in _PLAIN)
        worse = lag_behind(each["metric"], each["ours"], plain)
        said = f"{worse:.1%}" if worse > 0 else "–"
        lines.append(f"{name:34}{each['metric']:>18}{each['ours']:>10.4g}{told}{said:>10}")
    strays = max(each["strays"] for each in found.values())
    missed = sum(
        lag_behind(each["metric"], each["ours"], each["plain"]) > GOAL for each in found.values()
    )
    lines.append(f"worse by more than {GOAL:.0%} than the best of three: {missed} of {len(found)}")
    lines.append(f"furthest from scikit-learn's number, as a share: {strays:.1e}")
    covered = [(name, each["coverage"]) for name, each in found.items() if "coverage" in each]
    for name, (ours, plain) in covered:
        lines.append(f"{name}, 90 % intervals: {tell(ours)}")
        lines.append(f"{'':{len(name)}}  split conformal: {tell(plain)}")
    return "\n".join(lines)


def lag_behind(metric: str, ours: float, plain: dict[str, float]) -> float:
    """Say by which share of the metric the best of the plain models is better."""
    if metric in _RISING:
        return max(plain.values()) / ours - 1
    return ours / min(plain.values()) - 1


def tell(found: dict[str, Any]) -> str:
    slices = ", ".join(f"{name} {held:.1%}" for name, held in found["slices"].items())
    return f"{found['held']:.1%} held, mean width {found['width']:.4g}; {slices}"


def average(case: Case, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the mean of a task's seeds."""
    plain = {who: float(np.mean([run["plain"][who] for run in runs])) for who in runs[0]["plain"]}
    return {
        "metric": case.metric,
        "seeds": len(runs),
        "rows": runs[0]["rows"],
        "ours": float(np.mean([run["ours"] for run in runs])),
        "plain": plain,
        "passed": sum(run["verdict"] == "passed" for run in runs),
        "strays": max(run["strays"] for run in runs),
        **({"coverage": runs[0]["coverage"]} if "coverage" in runs[0] else {}),
    }


def main(names: list[str]) -> None:
    """Measure the tasks named, or all whose table is here, and keep each as it is known."""
    for name, case in CASES.items():
        if name in names or (not names and (TABLES or not case.outside)):
            say(f"quality, {name}")
            runs = [run_case(case, seed) for seed in range(1, case.seeds + 1)]
            kept = read_record("quality").get("tables", {}).get(_TITLE, {})
            kept[name] = average(case, runs)
            ordered = {each: kept[each] for each in CASES if each in kept}
            write_record("quality", {"tables": {_TITLE: ordered}, "machine": describe_machine()})
    print(write_table(_TITLE, read_record("quality")["tables"][_TITLE]))


if __name__ == "__main__":
    main(sys.argv[1:])
