"""The fields of a card as a form shows them: where each lives in the document, how it is read and written.

Reading is as tolerant as `cards.card`; writing gives the type the specifications ask for.

See docs/spec/formats.md: Card versions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.cards.card import Card
from lunalux_core.cards.document_edits import Path
from lunalux_core.documents.coerce import as_object, as_tags, as_text, as_texts
from lunalux_core.text import clean

FieldKind = Literal["line", "text", "texts", "tags", "number", "role"]
FormSection = Literal["basics", "character", "examples", "prompts", "notes"]

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Attributes:
        path: where it is in a V2 or V3 document.
        kind: "texts" is one item a line, "tags" are items between commas.
        sent: whether the model reads it, so that its tokens count.
        low, high: bounds of a number.
        whole: whether a number must be an integer.
    """

    id: str
    section: FormSection
    path: Path
    kind: FieldKind
    sent: bool = False
    low: float = 0
    high: float = 0
    whole: bool = False

    def shown(self, document: Mapping[str, Any]) -> str:
        """The value as a form shows it: harmless text, never "None"."""
        card = Card(document, "")
        raw = self.raw(document)
        match self.kind:
            case "line" | "text":
                text = clean(card.creator_notes if self.id == _NOTES else as_text(raw))
                return text.replace("\n", " ") if self.kind == "line" else text
            case "texts":
                return "\n".join(clean(text).replace("\n", " ") for text in as_texts(raw))
            case "tags":
                return ", ".join(clean(tag) for tag in as_tags(raw))
            case "number":
                return as_text(raw)
            case "role":
                return card.depth_prompt.role

    def raw(self, document: Mapping[str, Any]) -> Any:
        """What the document holds there, None where it holds nothing."""
        value: Any = Card(document, "").get(str(self.path[1]))
        for key in self.path[2:]:
            value = as_object(value).get(str(key))
        return value

    def value(self, text: str) -> Any:
        """The JSON value for what was typed. Raises ValueError for a number that is none or out of bounds."""
        match self.kind:
            case "texts":
                return [line.strip() for line in text.split("\n") if line.strip()]
            case "tags":
                return split_tags(text)
            case "number":
                number = float(text)
                if not math.isfinite(number) or not self.low <= number <= self.high:
                    raise ValueError(text)
                if self.whole and not number.is_integer():
                    raise ValueError(text)
                return int(number) if number.is_integer() else number
            case _:
                return text


def split_tags(text: str) -> list[str]:
    """Tags between commas of any script, each once (compared without case), a leading # dropped."""
    for comma in "，、;；\n":
        text = text.replace(comma, ",")
    tags = (" ".join(part.split()).lstrip("#＃").strip() for part in text.split(","))
    return list({tag.casefold(): tag for tag in reversed([tag for tag in tags if tag])}.values())[::-1]


_NOTES = "creator_notes"
_DEPTH = ("data", "extensions", "depth_prompt")


def _data(name: str, section: FormSection, kind: FieldKind, *, sent: bool = False) -> Field:
    return Field(name, section, ("data", name), kind, sent)


FIELDS: tuple[Field, ...] = (
    _data("name", "basics", "line"),
    _data("nickname", "basics", "line"),
    _data("tags", "basics", "tags"),
    _data("creator", "basics", "line"),
    _data("character_version", "basics", "line"),
    Field("user_description", "basics", ("data", "extensions", "custom_fields", "user_description"), "text"),
    _data("description", "character", "text", sent=True),
    _data("personality", "character", "text", sent=True),
    _data("scenario", "character", "text", sent=True),
    _data("mes_example", "examples", "text", sent=True),
    _data("system_prompt", "prompts", "text", sent=True),
    _data("post_history_instructions", "prompts", "text", sent=True),
    Field("depth_prompt", "prompts", (*_DEPTH, "prompt"), "text", sent=True),
    Field("depth", "prompts", (*_DEPTH, "depth"), "number", high=9999, whole=True),
    Field("role", "prompts", (*_DEPTH, "role"), "role"),
    Field("talkativeness", "prompts", ("data", "extensions", "talkativeness"), "number", high=1),
    _data(_NOTES, "notes", "text"),
    Field("notes_en", "notes", ("data", "creator_notes_multilingual", "en"), "text"),
    Field("notes_zh", "notes", ("data", "creator_notes_multilingual", "zh"), "text"),
    _data("source", "notes", "texts"),
    Field("world", "notes", ("data", "extensions", "world"), "line"),
)
"""Every field of a card that is one value; greetings and the worldbook are lists of their own."""

BY_ID: Mapping[str, Field] = {field.id: field for field in FIELDS}


def of_section(section: str) -> tuple[Field, ...]:
    """The fields of one part of the form, in order."""
    return tuple(field for field in FIELDS if field.section == section)
