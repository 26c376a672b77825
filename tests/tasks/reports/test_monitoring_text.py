"""What the monitor says in words, and what it gives to programs."""

import json
from typing import get_args

import pytest
from monitored import SINCE, make_result

from tasks.monitoring import alert_deduplication
from tasks.reports.monitoring_text import (
    STATES,
    describe,
    describe_drift,
    describe_quality,
    describe_service,
    describe_skew,
    describe_staleness,
    write_summary,
)


def test_every_state_of_an_alert_has_words() -> None:
    assert set(STATES) == set(get_args(alert_deduplication.State))
    assert STATES["raised"] == "alert sent"


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        ({"problem": "too few labels"}, "too few labels"),
        ({"as_of": SINCE, "rows": 9}, "9 labels are new to a quick model"),
        ({"as_of": SINCE, "rows": 1000}, "the champion is not significantly behind a quick model"),
        ({"as_of": SINCE, "rows": 1000, "lost": "auc fell"}, "the champion has fallen behind a"),
    ],
)
def test_staleness_says_as_much_as_is_known(behind: dict[str, object], said: str) -> None:
    assert describe_staleness(make_result(staleness=behind)).startswith(said)


def test_each_part_is_a_sentence_with_its_numbers() -> None:
    found = make_result()
    quality = describe_quality(found)
    assert "0.6000 is estimated for the last window (estimates were off by 0.0500" in quality
    assert describe_drift(found).endswith("most of it from temp (0.70), carrier (0.90)")
    skew = describe_skew(found)
    assert skew.startswith("98 of 100 predictions are what the training path gives; columns that")
    assert describe_service(found.service) == (
        "100 requests, 2 failed (5xx), 0 refused (4xx); half of all responses took at most 1 ms, "
        "99% at most beyond the last bound"
    )


def test_summary_has_the_alerts_and_escapes_them() -> None:
    summary = write_summary(make_result())
    assert summary.startswith("# made: action needed\n")
    assert "1,234 predictions for 2013-07-01 00:00 to 2013-07-31 00:00 UTC." in summary
    assert "&lt;i&gt;temp&lt;/i&gt;" in summary
    assert write_summary(make_result(alerts=())).startswith("# made: no action needed\n")


def test_programs_get_an_object_with_names_that_stay() -> None:
    given = json.loads(json.dumps(describe(make_result(), "report.html")))
    assert given["champion"] == "v1"
    assert given["events"][0]["state"] == "raised"
    assert given["outcomes"]["labelled"] == 553
    assert given["drift"]["columns"][0]["column"] == "temp"
    assert given["report"] == "report.html"
