"""Characters of other programs, mapped to card documents: Pygmalion JSON and oobabooga YAML (FORMATS 1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lunalux_core.cards.card import Card
from lunalux_core.cards.coerce import as_text
from lunalux_core.cards.envelope import V2_FIELDS
from lunalux_core.errors import InvalidInput, LimitExceeded

MAX_YAML_CHARACTERS = 1_000_000
_PYGMALION = {
    "char_name": "name",
    "char_persona": "description",
    "char_greeting": "first_mes",
    "world_scenario": "scenario",
    "example_dialogue": "mes_example",
}
_OOBABOOGA = {
    "name": "name",
    "bot": "name",
    "context": "description",
    "greeting": "first_mes",
    "example_dialogue": "mes_example",
}
_YAML_KEY = re.compile(r"^(?:name|bot|context|greeting|char_name)[ \t]*:", re.MULTILINE)


def is_pygmalion(document: Mapping[str, Any]) -> bool:
    """A Pygmalion or Gradio export. Files that carry V1 fields as well are read as V1."""
    return "char_name" in document and not ("name" in document and "first_mes" in document)


def is_oobabooga(document: Mapping[str, Any]) -> bool:
    return ("name" in document or "bot" in document) and "context" in document and "spec" not in document


def looks_like_yaml(text: str) -> bool:
    """Whether a text that is no JSON has the keys of a character in YAML."""
    return _YAML_KEY.search(text) is not None


def from_object(document: Mapping[str, Any]) -> Card | None:
    """The card in another program's object, None where it is none of those known.

    Keys without a place in a card are kept at the top level.
    """
    if is_pygmalion(document):
        return _map(document, _PYGMALION)
    if is_oobabooga(document):
        return _map(document, _OOBABOOGA)
    return None


def from_yaml(text: str) -> Card:
    """The card in an oobabooga (or Pygmalion) YAML file.

    Raises:
        InvalidInput: CARD_BAD_YAML; NOT_A_CARD when the file holds something else.
        LimitExceeded: YAML_TOO_LARGE over a million characters.
    """
    document = _parse(text)
    card = from_object(document) if isinstance(document, dict) else None
    if card is None:
        raise InvalidInput("NOT_A_CARD", "This YAML file is not a character.", "Choose a card.", kind="yaml")
    return card


def _map(document: Mapping[str, Any], names: Mapping[str, str]) -> Card:
    data = dict(V2_FIELDS)
    for theirs, ours in names.items():
        if text := as_text(document.get(theirs)):
            data[ours] = text
    rest = {key: value for key, value in document.items() if key not in names}
    return Card.of({"spec": "chara_card_v2", "spec_version": "2.0", "data": data, **rest})


def _parse(text: str) -> Any:
    import yaml

    if len(text) > MAX_YAML_CHARACTERS:
        raise LimitExceeded(
            "YAML_TOO_LARGE",
            "This YAML file has more than a million characters.",
            "No real character is that long.",
            limit=MAX_YAML_CHARACTERS,
        )
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise _bad_yaml("it uses aliases")  # a few lines of them can stand for gigabytes
        return _plain(yaml.safe_load(text))
    except RecursionError:
        raise _bad_yaml("it is nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise _bad_yaml(str(problem)) from None


def _plain(value: Any) -> Any:
    """YAML's dates, sets and bytes as text, so that the result is JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _bad_yaml(reason: str) -> InvalidInput:
    return InvalidInput(
        "CARD_BAD_YAML",
        f"The YAML in this file is not valid: {reason}.",
        "Repair it in a text editor.",
        reason=reason,
    )
