"""The built-in presets, in English and Chinese: texts in `<key>.<language>.md` beside this.

Five are frameworks with a narrator, a guide for thinking and optional elements of presentation, run by
the Narratium-style assembly; `default` is a plain one in SillyTavern's own form. Each is also a valid
SillyTavern file, so that exporting one gives something other programs open.

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from lunalux_core.errors import NotFound
from lunalux_core.language import Language
from lunalux_core.presets.document import DEFAULT_ORDER, GLOBAL_ORDER_ID, MARKERS, Preset, read_preset

FRAMEWORKS = ("mirror_realm", "novel_king", "professional_heart", "magician", "whisperer")
BUILTIN_KEYS = (*FRAMEWORKS, "default")

_FOLDER = Path(__file__).parent
_HEADING = re.compile(r"^## (\w+)\n", re.MULTILINE)
_FRAMEWORK_ORDER = (
    "main",
    "worldInfoBefore",
    "personaDescription",
    "charDescription",
    "charPersonality",
    "scenario",
    "worldInfoAfter",
    "dialogueExamples",
    "chatHistory",
    "userInput",
    "jailbreak",
    "enhanceDefinitions",
)
_NAMES = {
    "main": "Main",
    "nsfw": "Auxiliary",
    "jailbreak": "Post-history instructions",
    "enhanceDefinitions": "Enhance definitions",
    "worldInfoBefore": "Worldbook, before",
    "worldInfoAfter": "Worldbook, after",
    "personaDescription": "Persona",
    "charDescription": "Description",
    "charPersonality": "Personality",
    "scenario": "Scenario",
    "dialogueExamples": "Examples",
    "chatHistory": "History",
    "userInput": "The person's words",
}


@dataclass(frozen=True, slots=True)
class BuiltinPreset:
    """What a list shows of a built-in preset."""

    key: str
    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class _Document:
    title: str
    summary: str
    sections: Mapping[str, str] = field(default_factory=dict)


def builtin_presets(language: Language = "en") -> tuple[BuiltinPreset, ...]:
    """All built-in presets, the default one first."""
    documents = ((key, _read(key, language)) for key in BUILTIN_KEYS)
    return tuple(BuiltinPreset(key, document.title, document.summary) for key, document in documents)


# Every turn asks for its preset, and one in the language of each member of a group.
@lru_cache(maxsize=2 * len(BUILTIN_KEYS))
def load_builtin(key: str, language: Language = "en") -> Preset:
    """A built-in preset; its name is its key. Raises NotFound (PRESET_NOT_FOUND)."""
    if key not in BUILTIN_KEYS:
        raise NotFound(
            "PRESET_NOT_FOUND",
            f"There is no built-in preset {key!r}.",
            f"There are: {', '.join(BUILTIN_KEYS)}.",
            name=key,
        )
    document = _read(key, language)
    build = _framework if key in FRAMEWORKS else _plain
    return read_preset(build(document.sections), key, "builtin").preset


def output_contract(language: Language) -> str:
    """The request for tagged output, with `{{reply_words}}` and `{{user}}` to be filled."""
    return _read("contract", language).sections["contract"]


# The list and the texts come out of one file: six presets and the contract, in two languages.
@lru_cache(maxsize=16)
def _read(key: str, language: Language) -> _Document:
    text = (_FOLDER / f"{key}.{language}.md").read_text("utf-8")
    head, *parts = _HEADING.split(text)
    title, _, summary = head.partition("\n")
    sections = dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
    return _Document(title.removeprefix("# ").strip(), summary.strip(), sections)


def _framework(sections: Mapping[str, str]) -> dict[str, Any]:
    texts = {
        "main": sections["prompt"],
        "enhanceDefinitions": f"{sections['cot']}\n\n{sections['structure']}",
        # Empty, and in the order all the same: a card's own post-history instructions go there.
        "jailbreak": "",
    }
    order = [{"identifier": identifier, "enabled": True} for identifier in _FRAMEWORK_ORDER]
    return {
        "prompts": _prompts(_FRAMEWORK_ORDER, texts),
        "prompt_order": [{"character_id": GLOBAL_ORDER_ID, "order": order}],
        "extensions": {"lunalux": {"assembly": "narratium"}},
    }


def _plain(sections: Mapping[str, str]) -> dict[str, Any]:
    order = [{"identifier": entry.identifier, "enabled": entry.enabled} for entry in DEFAULT_ORDER]
    return {
        "impersonation_prompt": sections["impersonation"],
        "continue_nudge_prompt": sections["continue"],
        "prompts": _prompts((entry.identifier for entry in DEFAULT_ORDER), sections),
        "prompt_order": [{"character_id": GLOBAL_ORDER_ID, "order": order}],
    }


def _prompts(identifiers: Iterable[str], texts: Mapping[str, str]) -> list[dict[str, Any]]:
    def prompt(identifier: str) -> dict[str, Any]:
        head = {"identifier": identifier, "name": _NAMES[identifier], "system_prompt": True}
        # A place that the program fills. SillyTavern has none called userInput and would send its text.
        if identifier in MARKERS or identifier == "userInput":
            return {**head, "marker": True}
        return {**head, "role": "system", "content": texts.get(identifier, "")}

    return [prompt(identifier) for identifier in identifiers]
