"""Nothing that a retrain and a release wrote holds a secret of the environment that they ran in."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from planted import SECRETS
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

if TYPE_CHECKING:
    from conftest import Released


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give each file below a folder, and each in an archive of a bento."""
    for path in folder.rglob("*"):
        if path.suffix == ".bento":
            with tarfile.open(path) as archive:
                for member in archive:
                    if (held := archive.extractfile(member)) is not None:
                        yield f"{path}: {member.name}", held.read()
        elif path.is_file():
            yield str(path), path.read_bytes()


def test_no_secret_is_in_what_a_run_wrote(released: "Released") -> None:
    database = Path(PREFECT_API_DATABASE_CONNECTION_URL.value().partition("///")[2])
    folders = (released.root, released.project, released.home, database.parent)
    names = set()
    for folder in folders:
        for name, data in written(folder):
            names.add(Path(name).name)
            found = [variable for variable, secret in SECRETS.items() if secret.encode() in data]
            assert not found, f"{name} holds {found}"
    assert {"lineage.json", "report.html", "proof.json", database.name} <= names
