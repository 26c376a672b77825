"""The bill of materials in a bento names what the bento asks to be installed, and its model."""

import json
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tasks.registry.released_bento import find_bento
from tasks.registry.versions import get_version
from tasks.serving.bento_archive import bento_tag, place_bento, read_bill
from tasks.serving.bento_build import list_materials
from tasks.serving.sbom import draw_bill
from tasks.storage.store import open_store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


def test_bill_names_every_package_that_the_bento_asks_for(released: "Released") -> None:
    store = open_store()
    bento = find_bento(store, MODEL, released.older)
    assert bento is not None
    folder = place_bento(store, bento, bento_tag(MODEL, released.older), released.home / "other")
    asked = (folder / "env/python/requirements.txt").read_text().splitlines()
    bill = json.loads((folder / "src" / "sbom.json").read_text())
    named = {(each["name"], each["version"]) for each in bill["components"] if "purl" in each}
    pins = [Requirement(line) for line in asked if line]
    assert named == {(each.name, str(each.specifier).removeprefix("==")) for each in pins}
    assert read_bill(store, MODEL, released.older) == (folder / "src" / "sbom.json").read_text()


def test_bill_holds_the_models_digest_and_each_packages_hashes_and_licence(
    released: "Released",
) -> None:
    version = get_version(open_store(), MODEL, released.older)
    bill = json.loads(list_materials(version, "polars==2.1.0\n"))
    parts = {each["name"]: each for each in bill["components"]}
    assert parts["model.txt"]["hashes"][0]["content"] == version.manifest.files["model.txt"]
    real = {
        each["name"]: each
        for each in json.loads(read_bill(open_store(), MODEL, released.older))["components"]
    }
    assert all(each["hashes"] for each in real.values())
    assert all(each["licenses"] for each in real.values() if "purl" in each)
    assert real["numpy"]["purl"].startswith("pkg:pypi/numpy@")


def test_same_bento_has_the_same_bill(released: "Released") -> None:
    version = get_version(open_store(), MODEL, released.older)
    assert list_materials(version, "six==1.17.0\n") == list_materials(version, "six==1.17.0\n")


def test_package_that_is_not_in_the_lock_or_for_one_python_only_says_so() -> None:
    bill = json.loads(draw_bill("m", "1", {}, "nothing-like-it==1 ; python_version < '3.12'\n", ""))
    (part,) = bill["components"]
    assert part["properties"][0]["value"] == 'python_version < "3.12"'
    assert not {"licenses", "hashes"} & set(part)
