"""Signatures of decisions: made and verified by OpenSSH, against a file of allowed signers.

Responsible for finding the signers, for finding a key that is one of theirs, and for calling
`ssh-keygen -Y` (OpenSSH 8.9 or newer). Not responsible for what a signer may decide
(`trusted_ledger`). The signers' file is read where the definition is, never from the root: whoever
can write to the root cannot appoint himself.
"""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.core.definition import Frozen
from tasks.core.definition_file import find_definition, load_definition
from tasks.core.errors import (
    DecisionRefused,
    DefinitionError,
    PerennialError,
    StoreError,
    first_line,
)

SYSTEM = "system"
SIGNERS, SIGNING_KEY, SYSTEM_KEY = (
    "PERENNIAL_SIGNERS",
    "PERENNIAL_SIGNING_KEY",
    "PERENNIAL_SYSTEM_KEY",
)
_NAMESPACE = "perennial"
_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_PATIENCE_SECONDS = 120  # a person may have to type a passphrase, or touch a key


class Signature(Frozen):
    """Who signed, by the name in the file of allowed signers, and OpenSSH's armoured signature."""

    signer: str
    armour: str


def find_signers(model: str) -> Path | None:
    """Find the file of allowed signers of a model; None where the definition names none.

    PERENNIAL_SIGNERS comes first: it is for a place that has no definition, as a container. Raises
    DefinitionError where the file that is named is not there.
    """
    if named := os.environ.get(SIGNERS):
        return _existing(Path(named), SIGNERS)
    try:
        definition = find_definition(model)
    except DefinitionError:
        return None  # this machine holds no definition, so it knows of no signers
    signers = load_definition(definition).approval.signers
    if signers is None:
        return None
    return _existing(definition.resolve().parent / signers, f"{definition}: [approval] signers")


def take_own_key(model: str) -> None:
    """Choose the key this process signs with: the one that is named, or a signer's in ~/.ssh.

    Only a person's own command or call in Python does so: whoever can fill in a form must not
    sign with a worker's key. Raises DecisionRefused where signers are named, and no key here is
    one of theirs.
    """
    signers = find_signers(model)
    if signers is None or os.environ.get(SIGNING_KEY):
        return
    allowed = set(signers.read_text(encoding="utf-8").split())
    for name in _USUAL_KEYS:
        public = Path.home() / ".ssh" / f"{name}.pub"
        if public.is_file() and allowed & set(public.read_text(encoding="utf-8").split()[1:2]):
            os.environ[SIGNING_KEY] = str(public.with_suffix(""))
            return
    raise DecisionRefused(
        f"{model}: decisions are signed, and no key in ~/.ssh is that of a signer in {signers}; "
        f"set {SIGNING_KEY} to the file of one that is"
    )


def sign(data: bytes, key: Path, signers: Path, name: str) -> Signature:
    """Sign under a name, or, where the key is not that person's, under its owner's name.

    Raises DecisionRefused if OpenSSH cannot sign, or if the key is no allowed signer's.
    """
    made = _run("sign", "-f", str(key), "-n", _NAMESPACE, data=data)
    if made.returncode:
        raise DecisionRefused(f"{key}: cannot sign: {first_line_of(made.stderr)}")
    armour = made.stdout.decode()
    named = Signature(signer=name, armour=armour)
    try:
        verify(data, named, datetime.now(UTC), signers)
    except StoreError:
        with TemporaryDirectory() as folder:
            file = _write_armour(folder, armour)
            found = _run("find-principals", "-s", file, "-f", str(signers))
        names = found.stdout.decode().split("\n")[0].split(",")
        if found.returncode or not names[0]:
            said = f"{key}: is no key of an allowed signer in {signers}"
            raise DecisionRefused(f"{said}; set {SIGNING_KEY} to one that is") from None
        return Signature(signer=names[0], armour=armour)
    return named


def make_key(file: Path) -> Path:
    """Make a key pair without a passphrase; give the file of its private half."""
    _keygen("-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file))
    return file


def verify(data: bytes, signature: Signature, moment: datetime, signers: Path) -> None:
    """Verify a signature as of a time; StoreError with OpenSSH's reason if it is not valid."""
    stamp = f"{moment.astimezone(UTC):%Y%m%d%H%M%SZ}"
    with TemporaryDirectory() as folder:
        file = _write_armour(folder, signature.armour)
        who = ("-f", str(signers), "-I", signature.signer, "-n", _NAMESPACE, "-s", file)
        done = _run("verify", *who, "-O", f"verify-time={stamp}", data=data)
    if done.returncode:
        said = first_line_of(done.stderr or done.stdout)
        raise StoreError(f"the signature of {signature.signer!r} does not verify: {said}")


def first_line_of(output: bytes) -> str:
    """Give the first line of a program's output, with control characters escaped."""
    return first_line(PerennialError(output.decode(errors="replace").strip() or "no reason given"))


def _run(action: str, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return _keygen("-Y", action, *words, data=data)


def _keygen(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise PerennialError("signed decisions need ssh-keygen; install OpenSSH's client")
    try:
        return subprocess.run(
            [program, *words],
            input=data,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PerennialError(f"ssh-keygen gave no answer in {_PATIENCE_SECONDS} s") from error


def _write_armour(folder: str, armour: str) -> str:
    file = Path(folder, "signature")
    file.write_text(armour, encoding="utf-8")
    return str(file)


def _existing(path: Path, named_by: str) -> Path:
    if not path.is_file():
        raise DefinitionError(f"{named_by}: there is no file {path}")
    return path
