"""A character card: the document as it came, and a tolerant view of it.

The document is the truth and travels unchanged from import to export, unknown keys
and odd types included; the properties below read it and never write. Coercion happens on reading only.

See docs/spec/formats.md: Card versions, Tolerant reading, Kinds of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.cards import envelope
from lunalux_core.cards.document_edits import Path, apply_edits
from lunalux_core.cards.envelope import V1_FIELDS, Spec
from lunalux_core.documents.coerce import (
    as_flag,
    as_inner_texts,
    as_integer,
    as_number,
    as_object,
    as_tags,
    as_text,
    as_texts,
)
from lunalux_core.documents.json_text import dump_json, parse_object, well_formed_value

if TYPE_CHECKING:
    from lunalux_core.documents.prompt_values import Role

_ROLES: tuple[Role, ...] = ("system", "user", "assistant")
_EMPTY_NOTES = "Creator's notes go here."
_TEXT_FIELDS = (*V1_FIELDS, "creator_notes", "system_prompt", "post_history_instructions")


@dataclass(frozen=True, slots=True)
class DepthPrompt:
    """The character's note: `depth` messages from the end, 0 is after the last one."""

    prompt: str = ""
    depth: int = 4
    role: Role = "system"


@dataclass(frozen=True)
class Card:
    """A card; `text` is its JSON as it was read. `document` is not to be changed in place, since what was
    read from it is remembered.
    """

    document: Mapping[str, Any]
    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Card:
        """A card from its JSON text. Raises InvalidInput or LimitExceeded (see `json_text`)."""
        return cls(parse_object(text), text)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Card:
        """A card from a document that was made here."""
        return cls(document, dump_json(document))

    @classmethod
    def new(cls, name: str, **fields: Any) -> Card:
        """A V3 card with empty fields, except for those of `data` that are given."""
        data = envelope.V2_FIELDS | {"group_only_greetings": [], "name": name} | fields
        return cls.of({"spec": "chara_card_v3", "spec_version": "3.0", "data": data})

    @property
    def spec(self) -> Spec:
        return envelope.spec_of(self.document)

    @property
    def card_hash(self) -> str:
        """Identity of the content, equal for a card and its re-exports (`envelope.content_hash`)."""
        return envelope.content_hash(self.document)

    def get(self, key: str) -> Any:
        """A raw value: from `data` where it has the key, else from the top level."""
        data = self.document.get("data")
        return data[key] if isinstance(data, dict) and key in data else self.document.get(key)

    @cached_property
    def name(self) -> str:
        """The name as it is written; where `data` has none, the top-level one or the nickname."""
        names = (as_text(self.get("name")), as_text(self.document.get("name")), self.nickname)
        return next((name for name in names if name.strip()), names[0])

    @cached_property
    def nickname(self) -> str:
        """What the macro for the character's name stands for, where it is set."""
        return as_text(self.get("nickname"))

    @cached_property
    def description(self) -> str:
        return as_text(self.get("description"))

    @cached_property
    def personality(self) -> str:
        return as_text(self.get("personality"))

    @cached_property
    def scenario(self) -> str:
        return as_text(self.get("scenario"))

    @cached_property
    def first_mes(self) -> str:
        return as_text(self.get("first_mes"))

    @cached_property
    def mes_example(self) -> str:
        return as_text(self.get("mes_example"))

    @cached_property
    def creator_notes(self) -> str:
        """For people, never for the model. An old editor's placeholder counts as empty."""
        # Cards of version 1 have them at top level, under this name.
        notes = as_text(self.get("creator_notes")) or as_text(self.document.get("creatorcomment"))
        return "" if notes.strip() == _EMPTY_NOTES else notes

    @cached_property
    def creator_notes_multilingual(self) -> Mapping[str, str]:
        notes = as_object(self.get("creator_notes_multilingual"))
        return {language: as_text(text) for language, text in notes.items()}

    @cached_property
    def system_prompt(self) -> str:
        return as_text(self.get("system_prompt"))

    @cached_property
    def post_history_instructions(self) -> str:
        return as_text(self.get("post_history_instructions"))

    @cached_property
    def alternate_greetings(self) -> tuple[str, ...]:
        return as_inner_texts(self.get("alternate_greetings"))

    @cached_property
    def group_only_greetings(self) -> tuple[str, ...]:
        return as_inner_texts(self.get("group_only_greetings"))

    @cached_property
    def greetings(self) -> tuple[str, ...]:
        """Every first message a conversation can open with, the main one first."""
        return tuple(text for text in (self.first_mes, *self.alternate_greetings) if text.strip())

    @cached_property
    def tags(self) -> tuple[str, ...]:
        return as_tags(self.get("tags"))

    @cached_property
    def creator(self) -> str:
        return as_text(self.get("creator"))

    @cached_property
    def character_version(self) -> str:
        return as_text(self.get("character_version"))

    @cached_property
    def source(self) -> tuple[str, ...]:
        return as_texts(self.get("source"))

    @cached_property
    def extensions(self) -> Mapping[str, Any]:
        return as_object(self.get("extensions"))

    @cached_property
    def depth_prompt(self) -> DepthPrompt:
        raw = as_object(self.extensions.get("depth_prompt"))
        prompt, depth = as_text(raw.get("prompt")), max(as_integer(raw.get("depth"), 4), 0)
        return DepthPrompt(prompt, depth, _role(raw.get("role")))

    @cached_property
    def talkativeness(self) -> float:
        """How readily the character speaks in a group, 0 to 1; 0.5 where the card says nothing usable."""
        # Files of the oldest SillyTavern have it at top level alone.
        raw = self.extensions.get("talkativeness", self.document.get("talkativeness"))
        return min(max(as_number(raw, 0.5), 0.0), 1.0)

    @cached_property
    def favourite(self) -> bool:
        return as_flag(self.extensions.get("fav", self.document.get("fav")))

    @cached_property
    def world(self) -> str:
        """Name of the worldbook the card is linked to, or ""."""
        return as_text(self.extensions.get("world"))

    @cached_property
    def character_book(self) -> Mapping[str, Any] | None:
        """The embedded worldbook as it is written; None for null, ``{}``, ``[]`` and the like."""
        return as_object(self.get("character_book")) or None

    @cached_property
    def regex_scripts(self) -> Any:
        """`extensions.regex_scripts` as it is written: a list, an object, or None."""
        return self.extensions.get("regex_scripts")

    @cached_property
    def assets(self) -> Sequence[Mapping[str, Any]]:
        """The asset list as it is written, without items that are no objects."""
        raw = self.get("assets")
        return tuple(item for item in raw if isinstance(item, dict)) if isinstance(raw, list) else ()

    @cached_property
    def user_description(self) -> str:
        """The community intro."""
        return as_text(as_object(self.extensions.get("custom_fields")).get("user_description"))

    def normalised(self) -> dict[str, Any]:
        """The card as a V3 document with every field present and of its right type.

        Unknown keys come along. `spec` and `spec_version` are V3's; `Card.spec` tells what the card was.
        """
        document = envelope.as_v3(self.document)
        data: dict[str, Any] = well_formed_value(document["data"])
        data |= {name: as_text(self.get(name)) for name in _TEXT_FIELDS}
        data |= {
            "name": self.name,
            "creator_notes": self.creator_notes,
            "alternate_greetings": list(self.alternate_greetings),
            "group_only_greetings": list(self.group_only_greetings),
            "tags": list(self.tags),
            "creator": self.creator,
            "character_version": self.character_version,
            "nickname": self.nickname,
            "source": list(self.source),
            "creator_notes_multilingual": dict(self.creator_notes_multilingual),
            "assets": well_formed_value(list(self.assets)),
            "extensions": as_object(data.get("extensions")),
            "character_book": well_formed_value(self._book()),
        }
        return {"spec": "chara_card_v3", "spec_version": "3.0", "data": data}

    def _book(self) -> dict[str, Any] | None:
        """The worldbook with its entries as a list, whichever shape they came in."""
        if self.character_book is None:
            return None
        entries = self.character_book.get("entries")
        if isinstance(entries, dict):
            # SillyTavern writes entries as an object with numbers as names; as texts, 10 would come before
            # 2.
            keys = sorted(entries, key=lambda key: (as_number(key, float("inf")), key))
            entries = [entries[key] for key in keys]
        objects = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        return {**self.character_book, "entries": objects}

    def with_edits(self, edits: Mapping[str | Path, Any]) -> Card:
        """The card with new values at some paths, everything else untouched (see `apply_edits`)."""
        return Card.of(apply_edits(self.document, edits))

    def export(self, spec: Literal["v2", "v3"] | None = None) -> dict[str, Any]:
        """The document for a JSON file: as it is, or in the envelope asked for. Never with a binding."""
        match spec:
            case "v2":
                return envelope.as_v2(self.document)
            case "v3":
                return envelope.as_v3(self.document)
            case None:
                return envelope.without_binding(self.document)


def _role(value: object) -> Role:
    """A role by its name or by SillyTavern's number."""
    name = as_text(value).strip().lower()
    for number, role in enumerate(_ROLES):
        if name in (role, str(number)):
            return role
    return "system"
