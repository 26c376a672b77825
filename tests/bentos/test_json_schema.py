"""The schema of a row says what the decoders take, and stands on its own where it must."""

import json
import re

from any_model import QUESTION

from bentos.json_schema import ASKED, describe_schemas, describe_whole
from bentos.model import Model


def test_schema_says_types_what_may_be_missing_and_what_is_needed(classes: Model) -> None:
    row = describe_schemas(classes, "#/")["Row"]
    assert set(row["required"]) == set(QUESTION)
    assert row["additionalProperties"] is False
    assert all("null" in each["type"] for each in row["properties"].values())
    assert row["properties"]["big"]["maximum"] == 2**64 - 1
    assert row["properties"]["x"]["description"] == "number, may be missing"
    assert "not used by the model" in row["properties"]["id"]["description"]


def test_whole_schema_holds_all_that_it_refers_to(classes: Model) -> None:
    whole = describe_whole(classes, ASKED)
    assert set(re.findall(r"#/\$defs/(\w+)", json.dumps(whole))) == set(whole["$defs"])
