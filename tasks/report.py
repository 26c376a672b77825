"""The report: the page on which a person decides about a candidate, and its short version.

Owns the words and the HTML. Refuses to judge (the gate did), to measure (evaluation did) and to
know how a chart is drawn. Names and levels are user data: whatever is not `Html` is escaped.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from tasks import charts
from tasks.candidate import Candidate
from tasks.checks import Check, failed
from tasks.definition import Metric
from tasks.evaluation import Slice
from tasks.metrics import HIGHER_IS_BETTER
from tasks.profiles import FREQUENT, ColumnDrift, ColumnSummary

_SLICES, _BARS, _TOP = 24, 14, 3
_MOVED = 0.1  # the field's rule of thumb: a smaller PSI is no shift, above 0.25 it is a large one

CHECKS = {
    "holdout_rows": "Enough rows to judge by",
    "beats_baseline": "Better than the baseline",
    "beats_simple_model": "Better than a simple model",
    "champion_is_comparable": "Can be compared with the champion",
    "not_worse_than_champion": "Not worse than the champion",
    "second_metric": "No loss on the second metric",
    "calibration": "Calibrated like the champion",
    "slices": "No slice is worse off",
}
METRICS: dict[Metric, tuple[str, str]] = {
    "auc": ("AUC", "How often a positive row is ranked above a negative one: 0.5 is guessing."),
    "log_loss": ("Log loss", "How far probabilities were from what came true; sure and wrong costs most."),
    "brier": ("Brier score", "Mean squared distance of probabilities from what came true."),
    "accuracy": ("Accuracy", "Share of rows that were decided right."),
    "macro_f1": ("Macro F1", "Precision and recall in one number, every class counting alike."),
    "mae": ("MAE", "Mean size of the error, in the target's unit."),
    "rmse": ("RMSE", "Root of the mean squared error, in the target's unit: large errors weigh more."),
    "r2": ("R²", "Share of the target's variance explained: 0 is predicting the mean, 1 perfect."),
}
PARTS = {
    "fit": "Trees are grown on these.",
    "stop": "They settled the number of rounds, and were then learned from too.",
    "gap": "Left out: their labels were not known when the holdout began.",
    "holdout": "Judged on, never learned from.",
}


class Html(str):
    """Text that is markup already, and is not escaped again."""


def draw_report(candidate: Candidate) -> dict[str, str]:
    """Draw a candidate's `report.html` and write its `report.md`."""
    return {"report.html": write_page(candidate), "report.md": write_summary(candidate)}


def write_page(candidate: Candidate) -> str:
    """Write the whole page: what a decision needs first, where it all comes from last."""
    name, version = candidate.plan.definition.name, candidate.plan.version
    sections = {
        "Checks": show_checks(candidate),
        "Metrics": show_metrics(candidate),
        "Charts": show_charts(candidate),
        "Data": show_data(candidate),
        "Lineage": show_lineage(candidate),
    }
    links = [tag("a", title, href=f"#{title.lower()}") for title in sections]
    body = [
        tag("header", *show_verdict(candidate), tag("nav", *links, aria_label="Sections")),
        *(
            tag("section", tag("h2", title), *parts, id=title.lower())
            for title, parts in sections.items()
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', f'{name} {version}')}<style>{_STYLE}</style></head>\n"
        f"<body>{tag('main', Html(chr(10)).join(body))}</body></html>\n"
    )


def show_verdict(candidate: Candidate) -> Iterator[Html]:
    """Show what it is, whether it passed and why, and the step that comes next."""
    plan, passed = candidate.plan, candidate.verdict.passed
    as_of = f", as of {_moment(plan.as_of)} UTC" if plan.as_of else ""
    yield tag("p", f"Candidate for {plan.definition.name}", class_="eyebrow")
    yield tag("h1", plan.definition.description or plan.definition.name)
    yield tag("p", "Version ", tag("code", plan.version), as_of, class_="version")
    metric = plan.definition.metric
    tiles = [
        tag("div", tag("dt", model), tag("dd", _metric(metrics[metric])))
        for model, metrics in compare_models(candidate).items()
    ]
    steps = [
        tag("p", words, tag("code", command, class_="command") if command else "")
        for words, command in next_steps(candidate)
    ]
    looks = [tag("li", sentence) for sentence in worth_a_look(candidate)]
    yield tag(
        "div",
        tag("p", "✓ Passed" if passed else "✗ Refused", class_="stamp"),
        tag("p", say_verdict(candidate), class_="why"),
        tag("p", f"{_titled(metric)} on the holdout", class_="label"),
        tag("dl", *tiles, class_="tiles"),
        tag("div", *steps, class_="next"),
        class_="verdict passed" if passed else "verdict refused",
    )
    if looks:
        yield tag("div", tag("h2", "Worth a look before you decide"), tag("ul", *looks), class_="look")
