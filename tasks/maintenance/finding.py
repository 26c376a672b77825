"""A finding of the doctor's: the form that each check gives its result."""

from tasks.core.definition import Frozen


class Finding(Frozen):
    """The result of one check; where it is not well, `mend` says how to repair it."""

    name: str
    well: bool
    detail: str
    mend: str = ""
