from tasks.core.progress import Progress, heard_by, is_heard, tell_progress


def test_who_listens_hears_all_until_the_block_ends() -> None:
    heard: list[Progress] = []
    tell_progress("training", "round", 1, 10)
    with heard_by(heard.append):
        assert is_heard()
        tell_progress("training", "round", 2, 10)
        tell_progress("scoring", "row", 5, None)  # of a table that nobody has counted
    tell_progress("training", "round", 3, 10)
    assert not is_heard()
    assert heard == [("training", "round", 2, 10)]


def test_percent_is_within_a_hundred() -> None:
    assert Progress("training", "round", 1, 3).percent == 33.3
    assert Progress("training", "round", 4, 3).percent == 100.0
