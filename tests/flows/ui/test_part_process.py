"""What a process of the page's own printed is its answer; where it failed, its last line is."""

from flows.ui.part_process import ask_process


def test_process_that_prints_no_json_is_told_by_its_last_line() -> None:
    found = ask_process("the work", "flows.cli", "no-such-command")
    assert set(found) == {"error"}
    assert found["error"].startswith("the work failed: ")
    assert "no-such-command" in found["error"]


def test_process_answers_in_json_by_the_variables_it_was_given() -> None:
    words = ("status", "--json")
    found = ask_process("the work", "flows.cli", *words, PERENNIAL_ROOT="no-such-root")
    assert found["models"] == {}
    assert found["root"].endswith("no-such-root")
