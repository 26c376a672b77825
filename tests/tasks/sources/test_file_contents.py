"""What a file holds is told by its digest, and whether it still does."""

from pathlib import Path

import pytest

from tasks.core.errors import SourceChanged
from tasks.sources.file_contents import (
    digest_content,
    digest_files,
    list_files,
    refuse_moved,
    see_files,
)


def test_digest_is_of_what_a_file_holds_however_soon_it_is_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    for number in range(200):
        file.write_text(f"a\n{number:04}\n")
        seen = see_files([str(file)])[str(file)]
        first = digest_content(str(file), seen, "s")
        with file.open("r+") as opened:
            opened.write(f"b\n{number:04}\n")
        if see_files([str(file)])[str(file)] == seen:  # within one tick of the disk's clock
            assert digest_content(str(file), seen, "s") != first


def test_content_counts_and_not_the_name_and_a_folder_s_value_belongs_to_it(tmp_path: Path) -> None:
    digests = []
    for name in ("a.csv", "b.csv", "month=1/a.csv"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("x\n1\n")
        digests.append(digest_files(see_files([str(file)]), "s"))
    assert digests[0] == digests[1] != digests[2]


def test_file_that_is_written_to_or_gone_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("x\n1\n")
    seen = list_files(str(tmp_path / "*.csv"))
    refuse_moved(seen, "s")
    file.write_text("x\n12\n")
    with pytest.raises(SourceChanged, match=r"s changed while it was read; run again: .*s.csv"):
        refuse_moved(seen, "s")
    file.unlink()
    with pytest.raises(SourceChanged):
        digest_content(str(file), seen[str(file)], "s")
