"""The parts of the local stack as commands, for what starts them: a keeper, systemd, a container.

    python -m flows.local_stack keep          all of it, in the foreground
    python -m flows.local_stack server        Prefect's server with its UI
    python -m flows.local_stack register      work pool, deployments, automations
    python -m flows.local_stack worker        carries out runs (after --: Prefect's options)
    python -m flows.local_stack ui            one page over all models
    python -m flows.local_stack service MODEL [PORT]  answers requests, once there is a champion

A person starts all of it with `perennial up`. Settings are variables, which docs/operations.md
lists; what is left out suits one machine.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from inspect import signature

from flows.local_stack_parts import keep_all, register, server, service, ui, worker
from tasks.core.errors import PerennialError, first_line

COMMANDS: dict[str, Callable[..., None]] = {
    "keep": keep_all,
    "server": server,
    "register": register,
    "worker": worker,
    "ui": ui,
    "service": service,
}


def main() -> None:
    """Run one command; an error is one line on standard error, and an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.local_stack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    command = COMMANDS[asked.command]
    try:
        signature(command).bind(*asked.names)
    except TypeError as error:
        parser.error(f"{asked.command}: {error}")
    logging.basicConfig(format="%(asctime)s %(name)s  %(message)s")
    logging.getLogger("perennial").setLevel(logging.INFO)
    try:
        command(*asked.names)
    except PerennialError as error:
        print(f"perennial: {first_line(error)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
