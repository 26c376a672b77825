"""A finding: what is well needs no mending."""

from tasks.maintenance.finding import Finding


def test_what_is_well_needs_no_mend() -> None:
    assert Finding(name="disk", well=True, detail="5 GB are free").mend == ""
