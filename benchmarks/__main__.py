"""Run benchmarks and write `docs/benchmarks.md` from all records.

`python -m benchmarks` runs all; `python -m benchmarks NAME [SIZE...]` one, of these sizes only
where it has any: what was measured of other sizes stays. `python -m benchmarks page` measures
nothing.
"""

import subprocess
import sys

from benchmarks.measure import ROOT
from benchmarks.page import GROWING, OTHERS, write_page

if __name__ == "__main__":
    name, *sizes = sys.argv[1:] or ["all"]
    # In processes of their own: what one loads would count as the next one's memory.
    for each in {"all": (*GROWING, *OTHERS), "page": ()}.get(name, (name,)):
        subprocess.run([sys.executable, "-m", f"benchmarks.{each}", *sizes], cwd=ROOT, check=True)
        write_page()
    write_page()
