"""Action is asked for where a person has to act, and nowhere else."""

from monitored import FOUND, make_result

from tasks.reports.monitoring_state import explain_state, name_state


def test_state_names_each_finding_once() -> None:
    twice = [*FOUND["alerts"], FOUND["alerts"][0]]
    said = explain_state(make_result(alerts=twice))
    assert said == "v1 needs action: data looks broken: check it by hand."
    assert explain_state(make_result(alerts=())) == "v1 needs no action."


def test_person_acts_on_what_nothing_else_mends() -> None:
    lost, broken = FOUND["alerts"]
    past = {**broken, "state": "held back", "detail": "the past: a newer look"}
    waits = {**lost, "state": "held back", "detail": "v2 waits for a decision"}
    assert name_state(make_result(alerts=(lost,))) == "mends itself"
    assert name_state(make_result(alerts=(past,))) == "no action needed"
    assert name_state(make_result(alerts=(lost, waits))) == "action needed"
    assert explain_state(make_result(alerts=(waits,))) == (
        "v1 needs action: v2 waits for a decision."
    )


def test_refused_retrain_is_for_a_person() -> None:
    lost, _ = FOUND["alerts"]
    found = make_result(alerts=(lost,), refused="v2: slices: origin EWR")
    assert name_state(found) == "action needed"
    assert explain_state(found) == (
        "v1 needs action: the retrain was refused, v2: slices: origin EWR."
    )
