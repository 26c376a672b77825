"""A finding says how it is mended only where it is not well."""

from tasks.maintenance.finding import Finding


def test_finding_that_is_well_needs_no_mending() -> None:
    assert Finding(name="disk", well=True, detail="12 GB are free").mend == ""
