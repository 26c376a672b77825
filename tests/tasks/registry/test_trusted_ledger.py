"""What is believed of a ledger: nothing that no signer wrote, and nothing shorter than was seen."""

import json
import shutil
from pathlib import Path

import pytest
from signing import Signers

from tasks.core.errors import DecisionRefused, DefinitionError, StoreError
from tasks.registry.decisions import Decision, record, record_release
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.trusted_ledger import (
    Seen,
    accept_ledger,
    read_trusted_ledger,
    refuse_shorter,
    see,
)
from tasks.registry.versions import Published, find_champion, publish, version_path
from tasks.storage.store import Store, open_store, work_folder

MODEL = "m"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


@pytest.fixture
def signers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signers:
    """Ada may decide, and her key is at hand; the system carries out what she decides."""
    made = Signers(tmp_path / "signers")
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", str(made.add("Ada")))
    monkeypatch.setenv("PERENNIAL_SYSTEM_KEY", str(made.add("system")))
    monkeypatch.setenv("PERENNIAL_SIGNERS", str(made.file))
    return made


def publish_version(store: Store, version: str) -> Published:
    with work_folder(store) as folder:
        (folder / "made").mkdir()
        (folder / "made" / "model.txt").write_text(version)
        (folder / "made" / "verdict.json").write_text(json.dumps({"passed": True}))
        return publish(store, folder / "made", version_path(MODEL, version))


def decision(version: str, approver: str = "Ada", action: str = "approve") -> Decision:
    return Decision(model=MODEL, version=version, action=action, approver=approver, reason="read")  # type: ignore[arg-type]


def release(store: Store, version: str) -> Published:
    published = publish_version(store, version)
    record_release(store, record(store, decision(version), published), MODEL, "bento")
    return published


def forge(store: Store, version: str) -> None:
    """Make a version the champion as whoever can write to the root can."""
    made = publish_version(store, version)
    for action in ("approve", "release"):
        append_entry(
            store,
            MODEL,
            action=action,  # type: ignore[arg-type]
            version=version,
            manifest=made.digest,
            approver="Ada",
            reason="",
        )


def cut(store: Store, left: int) -> None:
    """Take the newest entries away."""
    for file in sorted(Path(store.root, "models", MODEL, "ledger").iterdir())[left:]:
        file.unlink()


def test_signed_decisions_make_a_champion(store: Store, signers: Signers) -> None:
    published = release(store, "v1")
    assert find_champion(store, MODEL) == published
    approve, promoted = read_trusted_ledger(store, MODEL)
    assert (approve.signer, promoted.signer, promoted.approver) == ("Ada", "system", "Ada")


def test_forged_entries_are_no_champion(store: Store, signers: Signers) -> None:
    release(store, "v1")
    forge(store, "v2")
    assert len(read_ledger(store, MODEL)) == 4  # the chain alone is whole
    with pytest.raises(StoreError, match=r"entry 3 \(approve of v2\) is not signed"):
        find_champion(store, MODEL)


def test_what_another_key_signed_is_refused(
    store: Store, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", str(signers.make_key("Eve")))
    with pytest.raises(DecisionRefused, match="is no key of an allowed signer"):
        record(store, decision("v1"), publish_version(store, "v1"))
    assert read_ledger(store, MODEL) == []


def test_a_signer_decides_in_no_name_but_his_own(
    store: Store, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", str(signers.add("Bob")))
    with pytest.raises(DecisionRefused, match="is that of Bob; say so"):
        record(store, decision("v1", "Ada"), publish_version(store, "v1"))


def test_the_system_approves_nothing(
    store: Store, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", str(signers.folder / "system"))
    record(store, decision("v1", "system"), publish_version(store, "v1"))
    with pytest.raises(StoreError, match="signed by 'system', which may not decide that"):
        read_trusted_ledger(store, MODEL)


def test_the_system_releases_nothing_that_no_person_approved(
    store: Store, signers: Signers
) -> None:
    first = release(store, "v1")
    planted = publish_version(store, "v2")
    approval = read_ledger(store, MODEL)[0].model_copy(
        update={"version": "v2", "manifest": planted.digest}
    )
    record_release(store, approval, MODEL, "bento")
    with pytest.raises(StoreError, match="no person approved those files"):
        find_champion(store, MODEL)
    assert first.version == "v1"


def test_a_form_without_a_key_names_the_command(
    store: Store, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERENNIAL_SIGNING_KEY")
    with pytest.raises(DecisionRefused, match="on your own machine, with `perennial approve`"):
        record(store, decision("v1"), publish_version(store, "v1"))


@pytest.mark.parametrize("place", ["another model", "another place"])
def test_a_signature_holds_at_its_own_place_only(
    store: Store, signers: Signers, place: str, tmp_path: Path
) -> None:
    record(store, decision("v1", action="reject"), publish_version(store, "v1"))
    model = MODEL if place == "another place" else "other"
    said = read_ledger(store, MODEL)[0]
    kept = {"action", "version", "manifest", "approver", "reason"}
    append_entry(
        store, model, sign=lambda *_: (said.signer, said.signature), **said.model_dump(include=kept)
    )
    with pytest.raises(StoreError, match="does not verify"):
        read_trusted_ledger(store, model)


def test_a_ledger_that_lost_entries_is_refused_until_a_person_accepts_it(
    store: Store, signers: Signers
) -> None:
    for version in ("v1", "v2"):
        release(store, version)
    find_champion(store, MODEL)
    cut(store, 2)
    with pytest.raises(StoreError, match=r"had 4 entries .* perennial accept m"):
        find_champion(store, MODEL)
    accept_ledger(store, MODEL, "Ada", "restored from Monday's copy")
    champion = find_champion(store, MODEL)
    assert champion is not None
    assert champion.version == "v1"


def test_an_old_acceptance_does_not_cover_a_new_loss(store: Store, signers: Signers) -> None:
    release(store, "v1")
    accept_ledger(store, MODEL, "Ada", "moved")
    release(store, "v2")
    read_trusted_ledger(store, MODEL)
    cut(store, 3)
    with pytest.raises(StoreError, match="had 5 entries"):
        read_trusted_ledger(store, MODEL)


def test_unsigned_decisions_of_before_count_once_a_signer_accepts_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(store, "v1")
    made = Signers(tmp_path / "late")
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", str(made.add("Ada")))
    monkeypatch.setenv("PERENNIAL_SIGNERS", str(made.file))
    with pytest.raises(StoreError, match=r"entry 1 .* is not signed"):
        find_champion(store, MODEL)
    accept_ledger(store, MODEL, "Ada", "signers are new")
    assert find_champion(store, MODEL) is not None


def test_a_memory_that_was_verified_by_other_signers_is_verified_anew(
    store: Store, signers: Signers
) -> None:
    release(store, "v1")
    read_trusted_ledger(store, MODEL)
    signers.file.write_text("")
    with pytest.raises(StoreError, match="does not verify"):
        read_trusted_ledger(store, MODEL)


def test_without_signers_a_process_still_sees_its_ledger_shrink(store: Store) -> None:
    release(store, "v1")
    seen = see(read_trusted_ledger(store, MODEL))
    cut(store, 1)
    with pytest.raises(StoreError, match="had 2 entries"):
        refuse_shorter(read_trusted_ledger(store, MODEL), seen, MODEL)
    refuse_shorter([], Seen(), MODEL)


def test_nothing_is_accepted_without_a_ledger_a_name_and_a_reason(
    store: Store, signers: Signers
) -> None:
    with pytest.raises(DecisionRefused, match="has no ledger"):
        accept_ledger(store, MODEL, "Ada", "why not")
    release(store, "v1")
    with pytest.raises(DefinitionError, match="--reason"):
        accept_ledger(store, MODEL, "Ada", " ")


def test_what_is_remembered_is_the_user_s_own(
    store: Store, signers: Signers, tmp_path: Path
) -> None:
    release(store, "v1")
    read_trusted_ledger(store, MODEL)
    (file,) = (tmp_path / "state" / "perennial" / "ledgers").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    shutil.rmtree(tmp_path / "root")
    assert not file.is_relative_to(store.root)
