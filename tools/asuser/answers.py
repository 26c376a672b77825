"""What a page says that its request is answered, and what a service says to it."""

import json
import re
from pathlib import Path
from typing import Any

from tools.asuser.machine import Machine, Wrong

_ROUNDED = 0.005  # a page's prediction has two digits


def read_answer(page: Path) -> dict[str, Any]:
    """Read what a page says that its one request is answered: a comment beneath it."""
    (line,) = re.findall(r"^# (\{.*\})$", page.read_text("utf-8"), re.MULTILINE)
    answer: dict[str, Any] = json.loads(line)
    return answer


def compare_answer(machine: Machine, request: str, page: Path) -> None:
    """Hold what a page's request is answered against what the page says."""
    wanted = read_answer(page)
    said = machine.run(request.replace("127.0.0.1:3000", f"127.0.0.1:{machine.port}"))
    answer = json.loads(said)
    version = wanted["version"].rstrip("…")
    alike = answer.keys() == wanted.keys() and answer["version"].startswith(version)
    near = alike and abs(answer["prediction"] - wanted["prediction"]) <= _ROUNDED
    if not near or answer["label"] != wanted["label"]:
        raise Wrong(f"{request}\nis answered otherwise than {page.name} says: {said}")
