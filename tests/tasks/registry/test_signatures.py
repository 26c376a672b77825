"""Who may sign is read beside the definition; a key is used only where it is a signer's."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from signing import Signers

from tasks.core.definition import parse_definition
from tasks.core.errors import DecisionRefused, DefinitionError, PerennialError, StoreError
from tasks.registry.signatures import find_signers, sign, take_own_key, verify

DEFINITION = """name = "m"
[sources]
rows = "rows.parquet"
[target]
value = "y"
kind = "binary"
[approval]
signers = "approvers"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "m.toml").write_text(DEFINITION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("PERENNIAL_SIGNERS", "PERENNIAL_SIGNING_KEY"):
        monkeypatch.setenv(name, "")
    return tmp_path


def test_signers_stand_beside_the_definition(project: Path) -> None:
    made = Signers(project / "deployments")
    assert find_signers("m") == made.file
    assert find_signers("unknown") is None


def test_signers_that_are_not_there_are_refused(project: Path) -> None:
    with pytest.raises(DefinitionError, match=r"\[approval\] signers: there is no file"):
        find_signers("m")


def test_signers_and_automatic_approval_exclude_each_other() -> None:
    with pytest.raises(DefinitionError, match="signers says who must"):
        parse_definition(DEFINITION + 'mode = "auto"\n', "m.toml")


def test_the_key_in_a_home_is_found_if_it_is_a_signer_s(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", "")
    made, keys = Signers(project / "deployments"), Signers(project / "home" / ".ssh")
    own = keys.make_key("id_ed25519")
    with pytest.raises(DecisionRefused, match=r"no key in ~/\.ssh is that of a signer"):
        take_own_key("m")
    kind, public = own.with_suffix(".pub").read_text().split()[:2]
    made.file.write_text(f"Ada {kind} {public}\n")
    take_own_key("m")
    assert sign(b"yes", own, made.file, "Ada").signer == "Ada"


def test_a_changed_word_does_not_verify(project: Path) -> None:
    made, now = Signers(project / "deployments"), datetime.now(UTC)
    signature = sign(b"approve", made.add("Ada"), made.file, "Ada")
    verify(b"approve", signature, now, made.file)
    with pytest.raises(StoreError, match="does not verify"):
        verify(b"reject", signature, now, made.file)


def test_a_retired_key_still_counts_for_what_it_signed_before(project: Path) -> None:
    made = Signers(project / "deployments")
    key = made.add("Ada")
    signature = sign(b"approve", key, made.file, "Ada")
    kind, public = key.with_suffix(".pub").read_text().split()[:2]
    made.file.write_text(f'Ada valid-before="20200101" {kind} {public}\n')
    verify(b"approve", signature, datetime(2019, 5, 1, tzinfo=UTC), made.file)
    with pytest.raises(StoreError, match="does not verify"):
        verify(b"approve", signature, datetime(2021, 5, 1, tzinfo=UTC), made.file)


def test_without_openssh_one_line_says_what_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Signers(project / "deployments")
    key = made.add("Ada")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PerennialError, match="install OpenSSH's client"):
        sign(b"approve", key, made.file, "Ada")
