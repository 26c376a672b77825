"""A part of the page's work in a process of its own, which ends with the page.

It keeps heavy libraries out of the page's memory. Responsible for what such a process said, also
where it failed. Not responsible for what it does.
"""

import json
import os
import subprocess
import tempfile
from typing import Any

from tasks.core.errors import harmless
from tasks.processes.bento_server import leash


def ask_process(
    what: str, module: str, *words: str, given: bytes = b"", **variables: str
) -> dict[str, Any]:
    """Run a module to its end, and give the JSON that it printed.

    Where it printed none, `error` says that `what` failed, with the last line of what it logged.
    """
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(
            leash(module, *words),
            input=given,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **variables},
        )
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            said = harmless(lines[-1][:300]) if lines else f"it ended with {done.returncode}"
            return {"error": f"{what} failed: {said}"}
    return found
