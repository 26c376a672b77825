"""The section `[card]`: what a person should know of a model that no number says.

Its keys are the sections of a model card as Mitchell et al. name them ("Model Cards for Model
Reporting", FAT* 2019): model details, intended use, factors, data, ethical considerations, caveats
and recommendations. What they want measured is in every report. Responsible for keys, lengths and
titles. It is plain text: nothing of it is read as markup. Not responsible for showing it.
"""

from typing import Annotated

from pydantic import Field

from tasks.core.data_sections import WORDS, Section

Name = Annotated[str, Field(pattern=WORDS, max_length=200)]
Words = Annotated[str, Field(pattern=WORDS, max_length=4000)]


def _not_given(value: object) -> bool:
    return value is None


class ModelCard(Section):
    """What a person should know of the model; all of it may be left out."""

    owner: Name | None = Field(default=None, exclude_if=_not_given)
    """Who answers for the model: a person, a team or an organisation."""
    contact: Name | None = Field(default=None, exclude_if=_not_given)
    """Where questions and complaints go."""
    purpose: Words | None = Field(default=None, exclude_if=_not_given)
    """Intended use: what the model is for, and who uses it."""
    out_of_scope: Words | None = Field(default=None, exclude_if=_not_given)
    """Uses that it is not for, though it may look so."""
    data: Words | None = Field(default=None, exclude_if=_not_given)
    """Where training and evaluation data come from, whom they are about, and what they lack."""
    groups: Words | None = Field(default=None, exclude_if=_not_given)
    """Factors: groups, instruments and surroundings between which it may differ."""
    ethics: Words | None = Field(default=None, exclude_if=_not_given)
    """Ethical considerations: who may be harmed, how, and what is done about it."""
    limits: Words | None = Field(default=None, exclude_if=_not_given)
    """Caveats and recommendations: where it is known to fail, and what to do then."""


_TITLES = {
    "owner": "Owner",
    "contact": "Contact",
    "purpose": "Intended use",
    "out_of_scope": "Out of scope",
    "data": "Data",
    "groups": "Groups (factors)",
    "ethics": "Ethical considerations",
    "limits": "Caveats and recommendations",
}


def title_card(card: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Give a card's titles, in the order of its keys, each with its lines.

    >>> title_card({"limits": "Not for freight.", "owner": "Ops"})
    [('Owner', ['Ops']), ('Caveats and recommendations', ['Not for freight.'])]
    """
    return [(_TITLES[key], card[key].splitlines()) for key in _TITLES if key in card]
