"""The decision and the promotion as Prefect tasks; both write an entry into the ledger."""

from tasks.core.steps import step
from tasks.registry.decisions import Decision, check_decision, find_asked, record, record_release
from tasks.registry.ledger import Entry
from tasks.registry.versions import Published
from tasks.storage.store import open_store


@step("decision")
def decide(root: str, asked: Decision) -> Entry:
    """Write a decision into the ledger; raises DecisionRefused where it is not allowed."""
    check_decision(asked)
    store = open_store(root)
    return record(store, asked, find_asked(store, asked))


@step("promotion")
def promote(root: str, model: str, approval: Entry, bento: Published) -> Entry:
    """Make the approved version the champion, with the bento that passed its test."""
    return record_release(open_store(root), approval, model, bento.digest)
