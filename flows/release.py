"""The release flow: approve and release a version, reject it, or roll back. Production step 7.

1. Decision: written to the ledger with the digest of the version's manifest. A rejection ends here.
   So does a rollback: its bento was tested before, and is checked to be there first.
2. Feature tables, if its features need any, are materialised for the service.
3. Build: a bento of exactly the approved files, in a process of its own.
4. Acceptance test: its real server predicts the holdout as training did, refuses bad requests, and
   meets its latency budget.
5. Promotion: the ledger names the new champion, unless another run did so first. What it has
   released is put among BentoML's own models, for `bentoml models list`.
6. People are told, where the definition or the environment names any.

A failure before promotion leaves the old champion in place and the approval in the ledger: the same
command again continues from there, whoever gives it.
"""

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from flows.run_artifacts import leave, link_candidate
from flows.run_page import conclude, name_run, say_decision
from tasks.core.definition_file import find_definition, project_of
from tasks.core.errors import DecisionRefused
from tasks.feature_store.task import materialise_tables
from tasks.notifications.task import tell
from tasks.registry.decisions import Decision, check_decision, find_asked
from tasks.registry.ledger import Entry
from tasks.registry.released_bento import get_bento
from tasks.registry.task import decide, promote
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import refuse_rollback
from tasks.registry.versions import Published, get_version
from tasks.reports.formatting import escape_markdown
from tasks.serving.bento_archive import offer_bento
from tasks.serving.bento_build import describe_release
from tasks.serving.bentoml_models import offer_models
from tasks.serving.task import build_bento, prove_bento
from tasks.storage.store import Store, open_store, work_folder
from tasks.training.published_model import read_definition

Word = Annotated[str, Field(min_length=1)]
Letters = str | int  # `prefect deployment run -p version=2014` is read as a number


@flow(name="release", flow_run_name=name_run)
def release(
    model: Word,
    version: Letters,
    decision: Literal["approve", "reject", "rollback"],
    approver: Word,
    reason: str = "",
    override: bool = False,
) -> dict[str, Any]:
    """Approve and release a version, reject it, or roll back to it.

    Args:
        model: The model's name.
        version: A version, or the letters it begins with. To roll back, empty: the champion before.
        decision: What is decided; only to approve builds and proves a bento.
        approver: Who decides. The name is noted as it is said.
        reason: Why; kept in the ledger.
        override: Release what its gate refused. It needs a reason.
    """
    asked = Decision(
        model=model,
        version=str(version),
        action=decision,
        approver=approver,
        reason=reason,
        override=override,
    )
    store = open_store()
    known = len(read_trusted_ledger(store, model))
    if decision == "rollback":
        asked = prepare_rollback(store, asked)
    entry = decide_open(store, asked)
    going_on = entry.number <= known
    if entry.action == "approve":
        entry = release_approved(store, model, entry)
    if entry.action != "reject":
        offer_models(store, model)
    described = describe_release(store, model, entry, going_on)
    leave_summary(model, described)
    tell(store.root, model)
    return conclude(described, *say_decision(described, model, entry.action))


def leave_summary(model: str, described: dict[str, Any]) -> None:
    """Leave what was decided, with links to the version."""
    links = link_candidate(model, described["version"], waits=False)
    leave(f"release-{model}", escape_markdown(described["summary"]), links)


def decide_open(store: Store, asked: Decision) -> Entry:
    """Write a decision into the ledger; DecisionRefused where it is made already.

    So it is after a run that was killed when it had promoted: what was left for it to do is done.
    """
    try:
        return decide(store.root, asked)
    except DecisionRefused:
        offer_models(store, asked.model)
        raise


def prepare_rollback(store: Store, asked: Decision) -> Decision:
    """Check that the earlier champion can be served; a failure leaves champion and ledger alone."""
    check_decision(asked)
    published = find_asked(store, asked)
    release = refuse_rollback(
        read_trusted_ledger(store, asked.model), asked.model, published.version
    )
    get_bento(store, asked.model, release)
    tables_for(store, asked.model, published)
    return asked.model_copy(update={"version": published.version})


def tables_for(store: Store, model: str, published: Published) -> None:
    """Materialise the feature tables that a version needs, before it is served."""
    definition = read_definition(store, published)
    if definition.tables:
        project = project_of(find_definition(model))
        with work_folder(store) as folder:
            materialise_tables(store.root, definition, project, None, folder)


def release_approved(store: Store, model: str, approval: Entry) -> Entry:
    """Build and test an approved version's bento, and promote it."""
    tables_for(store, model, get_version(store, model, approval.version))
    with work_folder(store) as folder:
        built = build_bento(store.root, model, approval, folder)
        bento = prove_bento(store.root, model, approval.version, built, folder)
    offer_bento(store, model, approval.version, bento)
    return promote(store.root, model, approval, bento)
