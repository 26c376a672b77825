"""The software bill of materials (SBOM) of a bento, in CycloneDX's JSON: model and packages.

Responsible for the form. Pins and hashes are the lock's, licences are what the packages installed
here say of themselves. By hand, as the same bento must have the same bytes: there is no time and no
random serial number in it.
"""

import json
import re
from typing import Any

from packaging.requirements import Requirement

from tasks.serving.licences import as_spdx, find_licence
from tasks.serving.requirements import read_hashes

BILL = "sbom.json"
_FORMAT = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}


def draw_bill(model: str, version: str, files: dict[str, str], requirements: str, lock: str) -> str:
    """Write the bill of a version's bento: its files by digest, its packages by pin."""
    hashes = read_hashes(lock)
    pins = requirements.splitlines()
    parts = [
        *(_describe_file(name, version, digest) for name, digest in sorted(files.items())),
        *(_describe_package(pin, hashes.get(pin, ())) for pin in pins),
    ]
    whole = {"type": "application", "bom-ref": "bento", "name": model, "version": version}
    needed = [{"ref": "bento", "dependsOn": [part["bom-ref"] for part in parts]}]
    bill = _FORMAT | {"metadata": {"component": whole}, "components": parts, "dependencies": needed}
    return json.dumps(bill, indent=1)


def _describe_file(name: str, version: str, digest: str) -> dict[str, Any]:
    kind = "machine-learning-model" if name == "model.txt" else "data"
    described = {"type": kind, "bom-ref": f"file:{name}", "name": name, "version": version}
    return described | {"hashes": _hashes((digest,))}


def _describe_package(pin: str, hashes: tuple[str, ...]) -> dict[str, Any]:
    """Describe what one line of requirements pins; each file that fits the pin has its hash."""
    requirement = Requirement(pin)
    name = re.sub(r"[-_.]+", "-", requirement.name).lower()
    version = str(requirement.specifier).removeprefix("==")
    purl = f"pkg:pypi/{name}@{version}"
    described: dict[str, Any] = {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
    }  # fmt: skip
    licence = find_licence(name)
    if licence is not None:
        named = {"license": {"name": licence}}
        described |= {"licenses": [{"expression": licence} if as_spdx(licence) else named]}
    if hashes:
        described |= {"hashes": _hashes(hashes)}
    if requirement.marker is not None:
        described |= {"properties": [{"name": "marker", "value": str(requirement.marker)}]}
    return described


def _hashes(digests: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest} for digest in digests]
