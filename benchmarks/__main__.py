"""Run benchmarks, all or those named, and write `benchmarks/README.md` from all records."""

import json
import subprocess
import sys
from importlib import import_module

from benchmarks.measure import RESULTS, ROOT, describe_machine

BENCHMARKS = (
    *("profile", "retrain", "serve", "score"),
    *("monitor", "alarms", "backtest", "operate", "tables", "cluster"),
)
_ABOUT = """# Benchmarks

Written by `make bench` (or `python -m benchmarks NAME…`): both sides are measured in one run on the
same machine ({cores} cores, Python {python}, {system}), each in a process of its own. What each
script does, and what it leaves out, stands at the top of its file; the records are in `results/`.

"""


def write_page() -> None:
    """Put every recorded table onto one page."""
    page = _ABOUT.format(**describe_machine())
    for name in BENCHMARKS:
        record = RESULTS / f"{name}.json"
        if record.exists():
            write_table = import_module(f"benchmarks.{name}").write_table
            tables = json.loads(record.read_text())["tables"]
            text = "\n\n".join(write_table(title, found) for title, found in tables.items())
            page += f"```\n{text}\n```\n\n"
    (ROOT / "benchmarks/README.md").write_text(page.rstrip() + "\n")


if __name__ == "__main__":
    # In processes of their own: what one loads would count as the next one's memory.
    for name in sys.argv[1:] or BENCHMARKS:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=True)
    write_page()
