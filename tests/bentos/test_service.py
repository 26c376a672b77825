"""The BentoML service starts in the environment that it is given, and loads nothing heavy."""

import subprocess
import sys

from servers import Served


def test_releases_cannot_be_followed_without_a_root(strict: Served) -> None:
    assert "are not followed: PERENNIAL_ROOT is not set" in strict.output.read_text()


def test_the_service_loads_no_prefect_whylogs_or_s3fs() -> None:
    code = (
        "import sys, bentos.service;"
        "print({'prefect', 'whylogs', 's3fs', 'altair', 'pandas'} & set(sys.modules) or '')"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded.strip() == ""


def test_it_listens_on_loopback_only(served: Served) -> None:
    assert "http://127.0.0.1:" in served.output.read_text()
