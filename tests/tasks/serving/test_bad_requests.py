"""Bad requests are refused by every service that passes."""

from typing import Any

import pytest
from doubling import ROWS

from tasks.core.errors import ProofFailed
from tasks.serving.bad_requests import make_bad_requests, try_bad_requests
from tasks.serving.bento_client import Caller


def test_a_number_is_sent_as_text_and_as_nan_where_there_is_one() -> None:
    sent = {name: body for name, body, _ in make_bad_requests(ROWS)}
    assert sent["text for a number"] == b'[{"x": "1.5"}]'
    assert sent["NaN for a number"] == b'[{"x": NaN}]'
    words = {name for name, _, _ in make_bad_requests(ROWS.cast(str))}
    assert set(sent) - words == {"text for a number", "NaN for a number"}


def test_a_bad_request_that_is_answered_is_refused(service: Any, caller: Caller) -> None:
    service.answer = staticmethod(lambda path, asked: (200, {"predictions": []}))
    with pytest.raises(ProofFailed, match=r"/predict answers not JSON with 200 .*, not a 4xx"):
        try_bad_requests(caller, ROWS)
