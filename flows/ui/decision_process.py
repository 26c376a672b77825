"""One decision in a process of its own: what a form says, as `perennial approve` would do it.

    python -m flows.ui.decision_process      a decision as JSON on standard input, its result too

Where decisions are signed it decides nothing: whoever can fill in a form must not sign as a
person, nor as a worker. A process of its own keeps Prefect out of the page's memory. Not
responsible for who may ask (`access`).
"""

import json
import sys

from flows.python_api import carry_out
from flows.ui.decision_runs import refuse_signed
from tasks.core.errors import PerennialError, first_line
from tasks.registry.decisions import Decision


def main() -> None:
    """Decide, and print what came of it; an error is one line, and its exit code."""
    printed, sys.stdout = sys.stdout, sys.stderr  # which the steps may write to
    try:
        decision = Decision.model_validate_json(sys.stdin.read())
        refuse_signed(decision.model)
        done = carry_out(decision)
    except PerennialError as error:
        print(json.dumps({"error": first_line(error)}), file=printed)
        sys.exit(error.exit_code)
    print(json.dumps(done), file=printed)


if __name__ == "__main__":
    main()
