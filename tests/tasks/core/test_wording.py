"""Long lists are cut, and what is left out is counted."""

from tasks.core.wording import list_few


def test_what_is_left_out_is_counted() -> None:
    assert list_few([]) == ""
    assert list_few(list("abc"), 3) == "a, b, c"
    assert list_few(list("abcde"), 3) == "a, b, c and 2 more"
    assert list_few(list("abc"), 2, "; ") == "a; b; and 1 more"
