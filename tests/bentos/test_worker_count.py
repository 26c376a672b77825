"""There are as many workers as the definition says, or as there are CPUs that they may use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import Versions, alter

from bentos.worker_count import EACH_CPU, count_cpus, read_workers


def test_a_version_says_its_number_and_what_cannot_be_read_is_one(
    versions: Versions, tmp_path: Path
) -> None:
    plain = versions.folder(versions.second)
    assert read_workers(plain) == 1
    assert read_workers(alter(plain, tmp_path / "three", "workers = 3")) == 3
    assert read_workers(alter(plain, tmp_path / "auto", 'workers = "auto"')) == EACH_CPU
    assert read_workers(alter(plain, tmp_path / "wrong", "workers = 0")) == 1
    assert read_workers(tmp_path / "nowhere") == 1


@pytest.mark.parametrize(
    ("member", "files", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/elsewhere", {"cpu.max": "300000 100000"}, 3),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "200000",
                              "cpu/a/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu:/\n2:memory:/m", {"cpu/cpu.cfs_quota_us": "-1", "cpu.max": "100000 100000"}, 64),
        ("0::/", {"cpu.max": "nonsense"}, 64),
        ("", {}, 64),
    ],
)  # fmt: skip
def test_a_quota_counts_whole_cpus_wherever_it_was_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    member: str,
    files: dict[str, str],
    expected: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    for name, text in {"self/cgroup": member, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert count_cpus(tmp_path, tmp_path) == expected


def test_a_process_that_may_use_one_cpu_counts_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from bentos.worker_count import count_cpus; print(count_cpus())"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"
