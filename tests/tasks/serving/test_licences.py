"""Licences are read from what packages say of themselves."""

import pytest

from tasks.serving.licences import as_spdx, find_licence


@pytest.mark.parametrize(
    ("package", "licence"),
    [("attrs", "MIT"), ("bentoml", "Apache-2.0"), ("polars", "MIT"), ("altair", "BSD License")],
)
def test_licence_is_found_however_a_package_says_it(package: str, licence: str) -> None:
    assert find_licence(package) == licence
    assert as_spdx(licence) == (None if licence == "BSD License" else licence)
    assert find_licence("nothing-like-it") is None
