"""Agnai's characters: a persona of attributes in one of five notations, and a memory book of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lunalux_core.documents.coerce import as_integer, as_object, as_tags, as_text, as_texts
from lunalux_core.errors import InvalidInput


def data_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a V2 card in a character of Agnai, whose `description` is for people, not for models."""
    data: dict[str, Any] = {
        "name": as_text(document.get("name")),
        "description": persona_text(as_text(document.get("name")), document.get("persona")),
        "scenario": as_text(document.get("scenario")),
        "first_mes": as_text(document.get("greeting")),
        "mes_example": as_text(document.get("sampleChat")),
        "creator_notes": as_text(document.get("description")),
        "system_prompt": as_text(document.get("systemPrompt")),
        "post_history_instructions": as_text(document.get("postHistoryInstructions")),
        "alternate_greetings": list(as_texts(document.get("alternateGreetings"))),
        "tags": list(as_tags(document.get("tags"))),
        "creator": as_text(document.get("creator")),
        "character_version": as_text(document.get("characterVersion")),
        "extensions": _extensions(document),
    }
    book = _book(document.get("characterBook"))
    return data | ({"character_book": book} if book else {})


def persona_text(name: str, persona: Any) -> str:
    """A persona as text, in the notation it asks for; a persona that is a text already is that text."""
    if not isinstance(persona, dict):
        return as_text(persona)
    attributes = {key: as_texts(value) for key, value in as_object(persona.get("attributes")).items()}
    # W++, square brackets, boostyle: notations in which prompts were written for early models.
    quoted = {key: [f'"{value}"' for value in values] for key, values in attributes.items()}
    match persona.get("kind"):
        case "text":
            return "\n".join(value for values in attributes.values() for value in values)
        case "wpp":
            lines = [f"{key}({' + '.join(values)})" for key, values in quoted.items()]
            return "\n".join([f'[character("{name}") {{', *lines, "}]"])
        case "sbf":
            parts = [f"{key}: {', '.join(values)}" for key, values in quoted.items()]
            return f'[ character: "{name}"; {"; ".join(parts)} ]'
        case "boostyle":
            return " + ".join([name, *(value for values in attributes.values() for value in values)])
        case _:
            return "\n".join([f"Name: {name}", *(f"{key}: {', '.join(v)}" for key, v in attributes.items())])


def _extensions(document: Mapping[str, Any]) -> dict[str, Any]:
    extensions = dict(as_object(document.get("extensions")))
    insert = as_object(document.get("insert"))
    if prompt := as_text(insert.get("prompt")):
        depth = as_integer(insert.get("depth"), 3)
        extensions.setdefault("depth_prompt", {"prompt": prompt, "depth": depth, "role": "system"})
    return extensions


def _book(book: Any) -> dict[str, Any] | None:
    from lunalux_core.worldbook.book_reader import read_book, write_character_book

    if not isinstance(book, dict) or not book.get("entries"):
        return None
    try:
        return write_character_book(read_book(book).book)
    except InvalidInput:
        return None
