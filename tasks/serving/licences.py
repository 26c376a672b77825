"""The licence of a package, as it says of itself where it is installed.

Read from three fields of its metadata, the clearest first. Not responsible for what is permitted:
that is the audit's (`make audit`).
"""

from importlib.metadata import PackageNotFoundError, metadata

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_LONGEST = 60  # beyond it, the licence's own text stands where its name should
_CLASSIFIED = "License :: OSI Approved :: "
_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
}


def find_licence(package: str) -> str | None:
    """Give a package's licence, as an SPDX expression where it can be one; None if it says none."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return None
    expressions = said.get_all("License-Expression") or []
    names = [each.strip() for each in said.get_all("License") or [] if len(each) <= _LONGEST]
    lines = [each for each in said.get_all("Classifier") or [] if each.startswith(_CLASSIFIED)]
    classified = " OR ".join(_shorten(each.removeprefix(_CLASSIFIED)) for each in lines)
    known = [each for each in (*expressions, *map(_shorten, names), classified) if each]
    return next(filter(None, map(as_spdx, known)), known[-1] if known else None)


def as_spdx(licence: str) -> str | None:
    """Write a licence as an SPDX expression, where it is one.

    >>> as_spdx("mit or apache-2.0")
    'MIT OR Apache-2.0'
    >>> as_spdx("BSD License") is None
    True
    """
    try:
        return canonicalize_license_expression(licence)
    except InvalidLicenseExpression:
        return None


def _shorten(name: str) -> str:
    return _SPDX.get(name, name)
