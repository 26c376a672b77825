"""The table that a new user brings: what was sold in a shop's hours, and to whom it was the last.

Made here by a seed, with nothing but the standard library: the same bytes on every machine.
"""

import csv
import math
import random
from datetime import datetime, timedelta
from pathlib import Path

# Until 19 January 2026, so that versions begin with 2026; more than half of it before 2025, where
# the README's backtest begins.
_FIRST, _DAYS, _A_DAY = datetime(2023, 9, 1), 872, 10
_PLANS, _REGIONS = ("basic", "plus", "pro"), ("north", "south", "east", "west")
_HEADER = ("sale_id", "sold_at", "region", "plan", "price", "visits", "support_calls", "churned")


def write_sales(path: Path, seed: int = 2026) -> None:
    """Write 8,720 sales in order of time; about three in ten are followed by no other."""
    draw = random.Random(seed)
    moments = [_draw_moment(day, draw) for day in range(_DAYS) for _ in range(_A_DAY)]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(_HEADER)
        for number, moment in enumerate(sorted(moments)):
            rows.writerow((f"S{number:06d}", moment, *_draw_sale(moment.hour, draw)))


def _draw_moment(day: int, draw: random.Random) -> datetime:
    seconds = draw.triangular(9 * 3600, 20 * 3600, 17 * 3600)  # it is fullest at five
    return _FIRST + timedelta(days=day, seconds=int(seconds))


def _draw_sale(hour: int, draw: random.Random) -> tuple[object, ...]:
    plan, region = draw.randrange(3), draw.randrange(4)
    price = round(draw.lognormvariate(3, 0.5), 2)
    visits, calls = draw.randrange(40), min(draw.randrange(9), draw.randrange(9))
    leaning = 0.04 * price - 0.9 * plan - 0.11 * visits + 0.7 * calls - 0.4 * (region == 2)
    leaning += 0.25 * (hour - 15) - 1.1
    churned = draw.random() < 1 / (1 + math.exp(-leaning))
    return _REGIONS[region], _PLANS[plan], price, visits, calls, "yes" if churned else "no"
