"""The short version names warnings first, and what else to know after checks and metrics."""

from candidates import HOSTILE, STEERING, with_hostile_names

from tasks.reports.candidate import write_page
from tasks.reports.candidate_summary import write_summary
from tasks.reports.candidate_text import list_notes, list_warnings
from tasks.validation.candidate import Candidate
from tasks.validation.shortfalls import Shortfall

WORSE = Shortfall(
    name="accuracy", ours=0.6985, theirs=0.7032, margin=0.003, said="accuracy 0.6985 against 0.7032"
)


def test_what_the_candidate_is_worse_at_is_the_first_warning_of_both(binary: Candidate) -> None:
    verdict = binary.verdict.model_copy(update={"shortfalls": (WORSE,)})
    worse = binary.model_copy(update={"verdict": verdict})
    said = "Accuracy 0.6985 against 0.7032."
    assert next(list_warnings(worse)) == said
    summary, page = write_summary(worse), write_page(worse)
    assert summary.index("## Warnings") < summary.index(said) < summary.index("| Check |")
    assert page.index("<h2>Warnings</h2>") < page.index(said) < page.index("<h2>Worth knowing</h2>")


def test_what_speaks_against_nothing_is_no_warning(candidate: Candidate) -> None:
    notes = list(list_notes(candidate))
    assert "on the rows it was trained on" in notes[0]
    assert not set(notes) & set(list_warnings(candidate))


def test_hostile_names_stay_text(binary: Candidate) -> None:
    summary = write_summary(with_hostile_names(binary))
    assert HOSTILE not in summary
    assert not set(STEERING) & set(summary)
