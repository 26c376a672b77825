"""How cost grows with rows: fitted, drawn, and held against goals, from a study's record.

Owns the exponent, the tables and the plot of the page. Refuses to know what is measured.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.study import Goal, Of, Record, Study, read_points

MOST_EXPONENT = 1.05

# Readable on white and on black alike.
_TEXT = "#7d8590"
_COLORS = ["#2f81f7", "#d97706", "#1a9e5f", "#c05fd0", "#8b949e", "#d1483c", "#12999a"]
_CONFIG = {
    "background": "transparent",
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _TEXT,
        "titleColor": _TEXT,
        "titleFontWeight": "normal",
        "gridColor": _TEXT,
        "gridOpacity": 0.3,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "legend": {"labelColor": _TEXT, "title": None, "orient": "bottom", "columns": 4},
}
_TICKS = 8


def fit_exponent(points: Mapping[int, float]) -> float | None:
    """Fit the power of rows that a cost grows with: the slope of a line through the logarithms."""
    if len(points) < 2:
        return None
    x = [math.log(rows) for rows in points]
    y = [math.log(cost) for cost in points.values()]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    rise = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return rise / sum((a - middle_x) ** 2 for a in x)


def write_section(study: Study, record: Record, plot: str) -> str:
    """Write what a study found as Markdown."""
    parts = [f"## {study.name.capitalize()}", study.title, f"![{study.title}]({plot})"]
    parts += [_write_costs(study, record), _write_goals(study, record), _write_left(study, record)]
    return "\n\n".join(part for part in parts if part)


def _write_costs(study: Study, record: Record) -> str:
    lines = _head([study.unit, *study.everyone])
    for rows, found in record["sizes"].items():
        cells = [_write_cost(found["runs"].get(who)) for who in study.everyone]
        lines.append(_row([f"{int(rows):,}", *cells]))
    exponents = [fit_exponent(read_points(record, who, "seconds")) for who in study.everyone]
    shown = ["–" if each is None else f"{each:.2f}" for each in exponents]
    return "\n".join([*lines, _row(["exponent", *shown])])


def _write_cost(run: Mapping[str, float] | None) -> str:
    if run is None:
        return "–"
    seconds = run["seconds"]
    time = f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds:,.2f} s"
    return f"{time}, {run['peak_mb']:,.0f} MB"


def _write_goals(study: Study, record: Record) -> str:
    lines = _head(["goal", "at", "most", "measured", ""])
    for goal in study.goals:
        lines += [_row(cells) for cells in _judge(goal, record)]
    for who in study.ours:
        exponent = fit_exponent(read_points(record, who, "seconds"))
        if exponent is not None:
            lines.append(_row([f"exponent of {who}", "all", MOST_EXPONENT, f"{exponent:.2f}",
                               _mark(exponent <= MOST_EXPONENT)]))  # fmt: skip
    return "\n".join(lines)


def _judge(goal: Goal, record: Record) -> list[list[Any]]:
    """Hold a goal against its size, or each size that was measured."""
    ours = read_points(record, goal.who, goal.of)
    beside = read_points(record, goal.beside, goal.of) if goal.beside else dict.fromkeys(ours, 1.0)
    what = "time" if goal.of == "seconds" else "peak memory"
    name = f"{what} of {goal.who}" + (f" ÷ {goal.beside}" if goal.beside else "")
    unit = "" if goal.beside else (" s" if goal.of == "seconds" else " MB")
    found = []
    for rows in [goal.rows] if goal.rows else sorted(ours.keys() & beside.keys()):
        at, most = f"{rows:,}", f"{goal.most:g}{unit}"
        if rows not in ours or rows not in beside:
            found.append([name, at, most, "not measured", "–"])
            continue
        value = ours[rows] / beside[rows]
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        found.append([name, at, most, shown + unit, _mark(value <= goal.most)])
    return found


def _mark(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _write_left(study: Study, record: Record) -> str:
    """Say what was left out at which size, and with what the rest was measured."""
    left = []
    for rows in study.sizes:
        known = record["sizes"].get(str(rows), {"runs": {}})["runs"]
        missing = [who for who in study.everyone if who not in known]
        if missing:
            names = "everything" if len(missing) == len(study.everyone) else ", ".join(missing)
            left.append(f"{rows:,} ({names})")
    said = [f"Left out: {'; '.join(left)}."] if left else []
    return " ".join([*said, _write_machines(record)])


def _write_machines(record: Record) -> str:
    """Say on what each size was measured; mostly on the same."""
    by_machine: dict[str, list[str]] = {}
    for rows, each in record["sizes"].items():
        machine, versions = each["machine"], each["versions"]
        what = ", ".join(f"{name} {number}" for name, number in versions.items())
        said = (
            f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
            f"Python {machine['python']}; {what}"
        )
        by_machine.setdefault(said, []).append(f"{int(rows):,}")
    if len(by_machine) == 1:
        return f"Measured on {next(iter(by_machine))}."
    return " ".join(f"{', '.join(at)}: on {said}." for said, at in by_machine.items())


def _head(cells: Sequence[Any]) -> list[str]:
    return [_row(cells), _row(["---", *["---:"] * (len(cells) - 1)])]


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def draw(study: Study, record: Record) -> str:
    """Draw seconds and peak memory by rows, both axes logarithmic, as SVG."""
    import altair as alt
    import vl_convert

    panels = [_draw_panel(study, record, "seconds", "seconds")]
    panels.append(_draw_panel(study, record, "peak_mb", "peak MB"))
    svg: str = vl_convert.vegalite_to_svg(
        alt.hconcat(*panels).to_dict(), config=_CONFIG, allowed_base_urls=[]
    )
    return svg


def _draw_panel(study: Study, record: Record, of: Of, title: str) -> Any:
    import altair as alt

    names = list(study.everyone)
    values = [
        {"rows": rows, "cost": cost, "who": who}
        for who in names
        for rows, cost in read_points(record, who, of).items()
    ]
    sizes = [int(rows) for rows in record["sizes"]]
    ticks = choose_ticks([each["cost"] for each in values])
    ends = alt.Scale(type="log", nice=False, domain=[min(sizes), max(sizes)], padding=10)
    x = alt.X("rows:Q", title=study.unit, scale=ends, axis=alt.Axis(format=".1~s", values=sizes))
    scale = alt.Scale(type="log", nice=False, domain=[ticks[0], ticks[-1]])
    y = alt.Y("cost:Q", title=title, scale=scale, axis=alt.Axis(format="~g", values=ticks))
    color = alt.Color("who:N", scale=alt.Scale(domain=names, range=_COLORS[: len(names)]))
    line = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y, color=color)
    return (line.mark_line(strokeWidth=2) + line.mark_circle(size=42, opacity=1)).properties(
        width=290, height=220
    )


def choose_ticks(costs: Sequence[float]) -> list[float]:
    """Choose powers of ten around the costs; where few are enough, twos and fives as well."""
    low, high = min(costs), max(costs)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        every = [step * 10.0**power for power in powers for step in steps]
        below, above = max(t for t in every if t <= low), min(t for t in every if t >= high)
        ticks = [tick for tick in every if below <= tick <= above]
        if len(ticks) <= _TICKS:
            break
    return ticks if len(ticks) > 1 else [low / 2, high * 2]
