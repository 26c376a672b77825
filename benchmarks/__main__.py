"""Run benchmarks, all or those named, and write `benchmarks/README.md` from all records."""

import json
import sys

from benchmarks import alarms, backtest, monitor, operate, profile, retrain, score, serve
from benchmarks.measure import RESULTS, ROOT, describe_machine

BENCHMARKS = {
    "profile": profile,
    "retrain": retrain,
    "serve": serve,
    "score": score,
    "monitor": monitor,
    "alarms": alarms,
    "backtest": backtest,
    "operate": operate,
}
_ABOUT = """# Benchmarks

Written by `make bench` (or `python -m benchmarks NAME…`): both sides are measured in one run on the
same machine ({cores} cores, Python {python}, {system}), each in a process of its own. What each
script does, and what it leaves out, stands at the top of its file; the records are in `results/`.

"""


def write_page() -> None:
    """Put every recorded table onto one page."""
    page = _ABOUT.format(**describe_machine())
    for name, benchmark in BENCHMARKS.items():
        record = RESULTS / f"{name}.json"
        if record.exists():
            tables = json.loads(record.read_text())["tables"]
            text = "\n\n".join(benchmark.write_table(*each) for each in tables.items())
            page += f"```\n{text}\n```\n\n"
    (ROOT / "benchmarks/README.md").write_text(page.rstrip() + "\n")


if __name__ == "__main__":
    named = sys.argv[1:] or list(BENCHMARKS)
    del sys.argv[1:]
    for name in named:
        BENCHMARKS[name].main()
        write_page()
