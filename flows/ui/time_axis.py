"""Places on a time axis: live quality with releases and alerts, and drift by feature, as drawings.

Responsible for coordinates (SVG is written by the templates, and coloured by the style sheet). An
axis is the time of the rows that were looked at: of looks at the past, a release stands where the
first look at its answers does. Not responsible for measuring.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.monitoring.looks import ColumnMove, Look
from tasks.registry.ledger import Entry

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 230, 56, 12, 30, 24
ROW, LABEL, TIMES, FEATURES = 18, 150, 53, 25
_LIVE = timedelta(days=30)


class Axis:
    """Turns times into places from left to right."""

    def __init__(self, start: datetime, end: datetime, left: float, right: float) -> None:
        self.start, self.end = start, max(end, start + timedelta(hours=1))
        self._left, self._width = left, right - left

    def place(self, time: datetime) -> float:
        share = (time - self.start) / (self.end - self.start)
        return round(self._left + self._width * min(max(share, 0), 1), 1)

    def ticks(self, count: int = 4) -> list[dict[str, Any]]:
        """Give equal steps with their dates; times of day where all is within three days."""
        form = "%H:%M" if self.end - self.start < timedelta(days=3) else "%Y-%m-%d"
        steps = (self.start + (self.end - self.start) * place / count for place in range(count + 1))
        return [{"x": self.place(each), "text": f"{each.astimezone(UTC):{form}}"} for each in steps]


class Scale:
    """Turns qualities into places from top to bottom, with a margin about the least and most."""

    def __init__(self, looks: Iterable[Look]) -> None:
        given = [
            (each.quality.value, each.quality.promised, each.quality.low, each.quality.high)
            for each in looks
        ]
        numbers = [number for row in given for number in row if number is not None]
        self.ends = min(numbers), max(numbers)
        margin = (self.ends[1] - self.ends[0]) * 0.06 or abs(self.ends[1]) * 0.05 or 1.0
        self._low, self._high = self.ends[0] - margin, self.ends[1] + margin

    def place(self, value: float | None) -> float | None:
        if value is None:
            return None
        share = (self._high - value) / (self._high - self._low)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * share, 1)


def draw_quality(looks: Sequence[Look], crowned: Iterable[Entry]) -> dict[str, Any] | None:
    """Place each look's live quality over what was promised; None where none was measured."""
    known = [each for each in looks if each.quality.value is not None]
    if not known:
        return None
    axis, scale = Axis(looks[0].until, looks[-1].until, LEFT, WIDTH - RIGHT), Scale(known)
    dots = [
        {
            "x": axis.place(each.until),
            "y": scale.place(each.quality.value),
            "low": scale.place(each.quality.low),
            "high": scale.place(each.quality.high),
            "promised": scale.place(each.quality.promised),
            "lost": each.quality.lost,
        }
        for each in known
    ]
    promised = [each for each in dots if each["promised"] is not None]
    return {
        "metric": known[-1].quality.metric,
        "dots": dots,
        "line": " ".join(f"{each['x']},{each['y']}" for each in dots),
        "band": outline(dots),
        "promised": " ".join(f"{each['x']},{each['promised']}" for each in promised),
        "releases": place_releases(axis, looks, crowned),
        "alerts": place_alerts(axis, looks),
        "ticks": axis.ticks(),
        "levels": [{"y": scale.place(each), "value": each} for each in scale.ends],
    }


def outline(dots: Sequence[dict[str, Any]]) -> str:
    """Go along the upper ends of the intervals, and back along the lower ones."""
    known = [each for each in dots if each["low"] is not None]
    there = [f"{each['x']},{each['high']}" for each in known]
    back = [f"{each['x']},{each['low']}" for each in reversed(known)]
    return " ".join(there + back)


def place_releases(
    axis: Axis, looks: Sequence[Look], crowned: Iterable[Entry]
) -> list[dict[str, Any]]:
    """Place what became the champion in the time that was looked at."""
    live = looks[-1].at - looks[-1].until < _LIVE
    placed = []
    for entry in crowned:
        first = next((each.until for each in looks if each.champion == entry.version), None)
        time = entry.time if live else first
        if time is not None and axis.start <= time <= axis.end:
            said = {"version": entry.version, "action": entry.action, "by": entry.approver}
            placed.append({"x": axis.place(time), "time": entry.time.isoformat(), **said})
    return placed


def place_alerts(axis: Axis, looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Place what looks told for the first time."""
    return [
        {"x": axis.place(look.until), "kind": alert.kind, "reason": alert.reason, "look": look.name}
        for look in looks
        for alert in look.alerts
        if alert.is_new
    ]


def draw_drift(looks: Sequence[Look]) -> dict[str, Any] | None:
    """Place each feature's distance by time, those first that moved furthest by importance.

    Of a long time, each column is the last look of a stretch.
    """
    known = [each for each in looks if each.columns]
    if not known:
        return None
    step = -(-len(known) // TIMES)
    shown = known[::-1][::step][::-1]
    moved: dict[str, dict[int, ColumnMove]] = {}
    for place, look in enumerate(shown):
        for column in look.columns:
            moved.setdefault(column.column, {})[place] = column
    ranked = sorted(moved, key=lambda name: -_rank(moved[name].values()))
    width = round((WIDTH - LABEL - RIGHT) / len(shown), 2)
    features = [
        _describe_feature(name, moved[name], shown, width, row * ROW)
        for row, name in enumerate(ranked[:FEATURES])
    ]
    ends = (0, len(shown) // 2, len(shown) - 1)
    places = {place: LABEL + (place + 0.5) * width for place in ends}
    return {
        "features": features,
        "left_out": len(ranked) - len(features),
        "width": width,
        "height": len(features) * ROW,
        "looks": len(known),
        "shown": len(shown),
        "ticks": [
            {"x": round(x, 1), "text": f"{shown[place].until.astimezone(UTC):%Y-%m-%d}"}
            for place, x in places.items()
        ],
    }


def _rank(moves: Iterable[ColumnMove]) -> float:
    return max(each.distance * (each.weight + 0.01) for each in moves)


def _describe_feature(
    name: str, moves: dict[int, ColumnMove], shown: Sequence[Look], width: float, y: int
) -> dict[str, Any]:
    furthest = max(moves, key=lambda place: moves[place].distance)
    newest = moves[max(moves)]
    return {
        "feature": name,
        "importance": newest.weight,
        "newest": newest.distance,
        "furthest": moves[furthest].distance,
        "furthest_at": shown[furthest].until.isoformat(),
        "y": y,
        "cells": [
            {
                "x": round(LABEL + place * width, 1),
                "until": shown[place].until.isoformat(),
                "distance": each.distance,
                "shade": min(int(each.distance * 10), 9),
                "alarm": each.alarm,
            }
            for place, each in moves.items()
        ],
    }
