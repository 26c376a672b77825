"""What a look at a champion comes to, in words and numbers: a dict, a short Markdown.

stub"""

from typing import Any

from tasks.findings import Monitored, warn_of
from tasks.store import Store


def describe(found: Monitored, report: str) -> dict[str, Any]:
    """Give what the command line prints."""
    return {
        "judged": found.judged.model_dump(mode="json"),
        "outcomes": found.outcomes.model_dump(mode="json"),
        "drifted": found.drifted.model_dump(mode="json"),
        "skew": found.skew.model_dump(mode="json"),
        "checks": [c.model_dump() for c in found.checks],
        "asked": found.asked.model_dump(mode="json", exclude={"log"}),
        "raised": [r.model_dump() for r in found.raised],
        "arrivals": found.arrivals and found.arrivals.model_dump(),
        "warnings": list(warn_of(found)),
        "service": found.service.model_dump(mode="json"),
    }


def write_summary(found: Monitored) -> str:
    return "x"


def keep_report(store: Store, found: Monitored) -> str:
    return ""
