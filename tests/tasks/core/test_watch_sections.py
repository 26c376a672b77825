"""The sections on watching: blocks by name, and no address that may hold a secret."""

from datetime import timedelta

import pytest

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError

REST = "name = 'churn'\nsources.t = 't.csv'\ntarget = { value = 'left', kind = 'binary' }\n"
SECRET = "slack://T0AAAAAAA/B0BBBBBBB/cccccccccccc"


def test_blocks_are_named_by_type_and_name() -> None:
    text = 'notify = { to = ["slack-webhook/team", "sendgrid-email/on-call"], remind = "8h" }'
    notify = parse_definition(REST + text, "churn.toml").notify
    assert notify.to == ("slack-webhook/team", "sendgrid-email/on-call")
    assert notify.remind == timedelta(hours=8)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (f'notify.to = ["slack-webhook/a", "{SECRET}"]', "[notify] to: entry 2 is an address"),
        (f'notify.to = "{SECRET}"', "[notify] to: must be a list of blocks"),
        (f'notify = "{SECRET}"', "must be a table of keys"),
        (f'notify = ["{SECRET}"]', "must be a table of keys"),
        (f'notify.remind = "{SECRET}"', "must be"),
        (f'notify.url = "{SECRET}"', "unknown key"),
        ('notify.to = ["T0AAAAAAA-cccccccccccc"]', "entry 1 is not the name of a block"),
        ("notify.to = [7]", "entry 1 is not the name of a block"),
    ],
)
def test_what_is_no_block_is_refused_and_never_repeated(section: str, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse_definition(REST + section, "churn.toml")
    assert str(refused.value).startswith("churn.toml: ")
    assert said in str(refused.value)
    assert "cccccccccccc" not in str(refused.value)


def test_who_is_told_makes_no_other_version() -> None:
    told = parse_definition(REST + 'notify.to = ["slack-webhook/team"]', "churn.toml")
    assert told.digest == parse_definition(REST, "churn.toml").digest
