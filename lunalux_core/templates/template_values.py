"""What templates are. A missing field of a file has the default that is written here.

Fields are named as in SillyTavern's files, so that a person finds the words of one in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from lunalux_core.llm.model import Role

Expand = Callable[[str], str]
"""Replaces macros in a text."""

TemplateKind = Literal["instruct", "context", "sysprompt", "sampler", "reasoning", "srw"]
KINDS: tuple[TemplateKind, ...] = get_args(TemplateKind)
"""In the order in which a file is tried. `srw` is a reply's beginning ("start reply with")."""

NamesBehavior = Literal["none", "force", "always"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Instruct:
    """How turns become text: the sequence before a turn, the suffix after it.

    `wrap` puts a newline between sequence and text, `macro` expands macros in sequences; `names_behavior`
    says whose turns begin with a name (`force`: only where it is not clear who speaks).
    """

    name: str = ""
    input_sequence: str = ""
    output_sequence: str = ""
    system_sequence: str = ""
    input_suffix: str = ""
    output_suffix: str = ""
    system_suffix: str = ""
    first_input_sequence: str = ""
    last_input_sequence: str = ""
    first_output_sequence: str = ""
    last_output_sequence: str = ""
    last_system_sequence: str = ""
    story_string_prefix: str = ""
    story_string_suffix: str = ""
    stop_sequence: str = ""
    user_alignment_message: str = ""
    wrap: bool = True
    macro: bool = True
    names_behavior: NamesBehavior = "force"
    skip_examples: bool = False
    system_same_as_user: bool = False
    sequences_as_stop_strings: bool = True
    activation_regex: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What stands before the turns. At `story_string_position` 1 the story string is a turn itself,
    `story_string_depth` turns before the end, with the role `ROLES[story_string_role]`.
    """

    name: str = ""
    story_string: str = ""
    example_separator: str = ""
    chat_start: str = ""
    use_stop_strings: bool = False
    names_as_stop_strings: bool = True
    story_string_position: int = 0
    story_string_depth: int = 1
    story_string_role: int = 0
    always_force_name2: bool = True
    trim_sentences: bool = False
    single_line: bool = False

    @property
    def in_chat(self) -> bool:
        return self.story_string_position == 1


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The instruction, and what is said once more after the last turn."""

    name: str = ""
    content: str = ""
    post_history: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model puts around its thinking."""

    name: str = ""
    prefix: str = ""
    suffix: str = ""
    separator: str = ""


@dataclass(frozen=True, slots=True)
class Sampler:
    """Sampling under our own names; `context_tokens` is the window the file was made for."""

    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ReplyStart:
    """What every reply begins with, and whether it is part of what is shown."""

    name: str = ""
    value: str = ""
    show: bool = False


TemplatePart = Instruct | Context | SystemPrompt | Reasoning | Sampler | ReplyStart


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """The parts in use together. Without `instruct` turns are lines that begin with names; without
    `sysprompt` there is no instruction, the card's own included.
    """

    name: str
    context: Context
    instruct: Instruct | None = None
    sysprompt: SystemPrompt | None = None
    reasoning: Reasoning | None = None
    sampler: Sampler | None = None
    start: ReplyStart | None = None


def with_parts(template: TextTemplate, parts: Sequence[TemplatePart]) -> TextTemplate:
    """The template with other parts in the places of its own."""
    places = {
        Instruct: "instruct",
        Context: "context",
        SystemPrompt: "sysprompt",
        Reasoning: "reasoning",
        Sampler: "sampler",
        ReplyStart: "start",
    }
    changes: dict[str, Any] = {places[type(part)]: part for part in parts}
    return replace(template, **changes)
