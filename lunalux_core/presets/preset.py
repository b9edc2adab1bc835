"""The values of a preset. `presets.document` reads and changes them.

See docs/spec/formats.md: Preset files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from lunalux_core.documents.prompt_values import Role, Sampling

PresetSource = Literal["builtin", "sillytavern", "user"]
Assembly = Literal["sillytavern", "narratium"]

GLOBAL_ORDER_ID = 100001
"""The `character_id` of the list SillyTavern uses; 100000 is a leftover."""


class OrderEntry(NamedTuple):
    """One place of the order list."""

    identifier: str
    enabled: bool


DEFAULT_ORDER = tuple(
    OrderEntry(identifier, identifier != "enhanceDefinitions")
    for identifier in (
        "main",
        "worldInfoBefore",
        "personaDescription",
        "charDescription",
        "charPersonality",
        "scenario",
        "enhanceDefinitions",
        "nsfw",
        "worldInfoAfter",
        "dialogueExamples",
        "chatHistory",
        "jailbreak",
    )
)
"""What SillyTavern uses where a file has no list of its own for `GLOBAL_ORDER_ID`."""

MARKERS = frozenset(
    {
        "worldInfoBefore",
        "worldInfoAfter",
        "charDescription",
        "charPersonality",
        "scenario",
        "personaDescription",
        "dialogueExamples",
        "chatHistory",
    }
)
"""Prompts that the program fills; their own content is not used by the SillyTavern assembly."""


@dataclass(frozen=True, slots=True)
class PresetPrompt:
    """One prompt. `absolute` ones go into the history, `depth` messages before its end.

    Within one depth, higher `order` comes later. `triggers` are generation types, empty for all.
    """

    identifier: str
    name: str = ""
    role: Role = "system"
    content: str = ""
    marker: bool = False
    absolute: bool = False
    depth: int = 4
    order: int = 100
    triggers: tuple[str, ...] = ()
    forbid_overrides: bool = False

    def runs_on(self, generation_type: str) -> bool:
        """Whether this prompt takes part in a generation of that type."""
        return not self.triggers or generation_type in self.triggers


@dataclass(frozen=True, slots=True)
class PresetParams:
    """Everything in a preset that is a setting rather than a prompt; None is "the preset does not say".

    `context_tokens` is the whole window, `sampling.max_tokens` the room for the reply.
    `names_behavior`: -1 none, 0 foreign names only, 1 the API's name field, 2 in the text.
    """

    sampling: Sampling = field(default_factory=Sampling)
    context_tokens: int | None = None
    names_behavior: int = 0
    wi_format: str = "{0}"
    scenario_format: str = "{{scenario}}"
    personality_format: str = "{{personality}}"
    new_chat_prompt: str = "[Start a new Chat]"
    new_group_chat_prompt: str = "[Start a new group chat. Group members: {{group}}]"
    new_example_chat_prompt: str = "[Example Chat]"
    impersonation_prompt: str | None = None
    continue_nudge_prompt: str | None = None
    group_nudge_prompt: str | None = None
    send_if_empty: str = ""
    assistant_prefill: str = ""
    assistant_impersonation: str = ""
    continue_prefill: bool = False
    continue_postfix: str = " "
    squash_system_messages: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset in use. `order` is the list in force; `raw` the whole document, for export."""

    name: str
    source: PresetSource
    assembly: Assembly
    params: PresetParams
    prompts: tuple[PresetPrompt, ...]
    order: tuple[OrderEntry, ...]
    regex_scripts: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def prompt(self, identifier: str) -> PresetPrompt | None:
        """The prompt of that identifier; of duplicates the first counts."""
        return next((prompt for prompt in self.prompts if prompt.identifier == identifier), None)
