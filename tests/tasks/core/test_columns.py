"""Internal columns: names that stored files have, each of its own."""

from tasks.core import columns


def test_names_are_those_of_stored_files() -> None:
    assert columns.LOGGED == ("__time", "__request", "__version", "__prediction")
    assert (columns.ROW, columns.TIME, columns.TARGET) == (
        "perennial.row", "perennial.time", "perennial.target",
    )  # fmt: skip


def test_each_name_is_of_one_column() -> None:
    names = [value for value in vars(columns).values() if isinstance(value, str) and "." in value]
    internal = [name for name in names if name.startswith("perennial.")]
    assert len(internal) >= 12
    assert len(set(internal)) == len(internal)
