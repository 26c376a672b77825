"""Decisions, promotions and superseded candidates as Prefect tasks that write to the ledger."""

import logging

from tasks.core.steps import step
from tasks.registry.decisions import Decision, check_decision, find_asked, record, record_release
from tasks.registry.ledger import Entry
from tasks.registry.superseded import close_superseded
from tasks.registry.versions import Published
from tasks.storage.store import open_store

log = logging.getLogger("perennial.decisions")


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


@step("superseded")
def supersede(root: str, model: str, newer: str) -> tuple[Entry, ...]:
    """Close the candidates that wait although `newer`, of newer data, passed as well."""
    closed = tuple(close_superseded(open_store(root), model, newer))
    for entry in closed:
        log.info("%s was closed: %s", entry.version, entry.reason)
    return closed
