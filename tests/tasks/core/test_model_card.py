"""A card is plain, bounded text that makes no other model."""

import pytest
from tables import define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.core.model_card import _TITLES, ModelCard, title_card


def test_card_is_in_no_digest_and_in_no_dump_where_it_is_not_given() -> None:
    plain = parse_definition(define(), "made.toml")
    told = parse_definition(define(card='purpose = "Warns."'), "made.toml")
    assert told.card.purpose == "Warns."
    assert told.digest == plain.digest
    assert "card" not in plain.model_dump()
    assert parse_definition(define(card=""), "made.toml").model_dump() == plain.model_dump()
    assert told.model_dump()["card"] == {"purpose": "Warns."}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('purpose = " "', r"\[card\] purpose: must be text that is not blank"),
        ('owner = "{}"'.format("a" * 201), r"\[card\] owner: .*at most 200 characters"),
        ('limit = "x"', r"\[card\] limit: unknown key; did you mean 'limits'"),
        ("purpose = 3", r"\[card\] purpose: must be text"),
    ],
)
def test_what_is_no_card_is_refused(line: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        parse_definition(define(card=line), "made.toml")


def test_every_key_has_a_title_and_words() -> None:
    assert list(_TITLES) == list(ModelCard.model_fields)
    assert all(each.description for each in ModelCard.model_fields.values())


def test_lines_stay_lines() -> None:
    card = parse_definition(define(card='data = """\nOne.\n\nTwo."""'), "made.toml").card
    assert title_card(card.model_dump()) == [("Data", ["One.", "", "Two."])]
