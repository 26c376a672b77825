"""Run every benchmark, and write `benchmarks/README.md` from what they recorded."""

import json
import subprocess
import sys

from benchmarks import backtest, operate, profile, retrain
from benchmarks.measure import RESULTS, ROOT, describe_machine

_ABOUT = """# Benchmarks

Written by `make bench`: each figure comes from a fresh process, both sides in one run on the same
machine ({cores} cores, Python {python}, {system}). What each script does, and what it leaves out,
stands at the top of its file; the records are in `results/`.

"""


def write_page() -> None:
    """Put every recorded table onto one page."""
    from benchmarks import alarms  # loads what would count as the others' memory

    page = _ABOUT.format(**describe_machine())
    for each in (profile, retrain, operate, alarms, backtest):
        name = each.__name__.rpartition(".")[2]
        tables = json.loads((RESULTS / f"{name}.json").read_text())["tables"]
        text = "\n\n".join(each.write_table(title, found) for title, found in tables.items())
        page += f"```\n{text}\n```\n\n"
    (ROOT / "benchmarks/README.md").write_text(page.rstrip() + "\n")


if __name__ == "__main__":
    profile.main()
    retrain.main()
    operate.main()
    backtest.main()
    subprocess.run([sys.executable, "-m", "benchmarks.alarms"], cwd=ROOT, check=True)
    write_page()
