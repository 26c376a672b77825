"""What each policy of retraining comes to on the flights from April to December 2013.

Run `python -m benchmarks.backtest`. The command is the one that a user gives; the registry that
the report goes to is a temporary one.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.measure import ROOT, describe_machine, write_record

ARGUMENTS = ["flight-delay", "--from", "2013-04-01", "--to", "2014-01-01", "--every", "1mo"]
GOALS = {"schedule": 0.716, "reached": 0.9, "retrains": 0.5, "seconds": 300}


def run() -> dict[str, Any]:
    """Run the command, and give what it prints and how long it took."""
    command = [sys.executable, "-m", "flows.cli", "backtest", *ARGUMENTS, "--json"]
    with tempfile.TemporaryDirectory() as root:
        begun = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PERENNIAL_ROOT": root},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.monotonic() - begun
    return {**json.loads(done.stdout), "report": "", "seconds": round(seconds, 1)}


def write_table(title: str, found: dict[str, Any]) -> str:
    metric, second, policies = found["metric"], found["second"], found["policies"]
    means = {name: track["mean"][metric] for name, track in policies.items()}
    gained = means["schedule"] - means["never"]
    lines = [
        f"backtest, {title}",
        f"{'':10}{metric:>8}{second:>10}{'gain':>7}{'retrains':>10}{'promoted':>10}{'worse':>7}"
        f"{'seconds':>9}",
    ]
    for name, track in policies.items():
        worse = sum(each["worse"] for each in track["retrains"])
        lines.append(
            f"{name:10}{means[name]:>8.4f}{track['mean'][second]:>10.4f}"
            f"{(means[name] - means['never']) / gained:>7.0%}{len(track['retrains']):>10}"
            f"{track['promotions']:>10}{worse:>7}{track['seconds']:>9.0f}"
        )
    lines.append(f"all policies together: {found['seconds']:.0f} s")
    return "\n".join(lines)


def main() -> str:
    """Measure, record, print, and give what was printed."""
    tables = {"nine months of flights": run()}
    text = "\n\n".join(write_table(title, found) for title, found in tables.items())
    print(text)
    write_record("backtest", {"tables": tables, "goals": GOALS, "machine": describe_machine()})
    return text


if __name__ == "__main__":
    main()
