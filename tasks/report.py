"""The report: what an approver needs to see of a candidate, on one page and in a few lines."""

from tasks.candidate import Candidate


def draw_report(candidate: Candidate) -> dict[str, str]:
    """Draw a candidate's `report.html` and write its `report.md`."""
    return {"report.html": candidate.plan.version, "report.md": candidate.plan.version}
