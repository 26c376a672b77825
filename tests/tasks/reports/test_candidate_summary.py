"""The short version names warnings first, and what else to know after checks and metrics."""

from candidates import HOSTILE, STEERING, with_hostile_names

from tasks.core.model_card import ModelCard
from tasks.reports.candidate import write_page
from tasks.reports.candidate_summary import write_summary
from tasks.reports.candidate_text import list_notes, list_warnings
from tasks.validation.candidate import Candidate, trace_lineage
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


def test_card_is_shown_as_text_and_kept_in_lineage(binary: Candidate) -> None:
    card = ModelCard(purpose=f"Warns.\n{HOSTILE}", owner="Ops")
    definition = binary.plan.definition.model_copy(update={"card": card})
    plan = binary.plan.model_copy(update={"definition": definition})
    carded = binary.model_copy(update={"plan": plan})
    assert trace_lineage(carded)["card"] == {"owner": "Ops", "purpose": card.purpose}
    assert "card" not in trace_lineage(binary)
    page, summary = write_page(carded), write_summary(carded)
    assert "<dt>Intended use</dt>\n<dd>Warns.</dd>\n<dd>&lt;/text&gt;&lt;script&gt;" in page
    assert 'href="#model-card"' in page
    assert 'href="#model-card"' not in write_page(binary)
    assert "**Intended use**: Warns." in summary
    for text in (page, summary):
        assert "<script>" not in text
        assert not set(STEERING) & set(text)
