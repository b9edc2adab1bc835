"""Our own set of the common formats, as data in `builtin/`, each after the public template of its models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lunalux_core.language import Language
from lunalux_core.templates.template_files import TemplateDocument, read_context, read_instruct
from lunalux_core.templates.template_values import Context, Instruct, SystemPrompt, TemplateKind

FOLDER = Path(__file__).resolve().parent / "builtin"
STORY = "Story"
"""The one without sequences: turns are lines of a story."""

_ORDER = (
    "llama-3", "mistral", "gemma", "command-r", "phi", "phi-4", "deepseek", "glm", "vicuna", "alpaca",
    "chatml", "story",
)  # fmt: skip
"""Narrow names first: a model's name may fit several."""


@cache
def _file(key: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads((FOLDER / f"{key}.json").read_text("utf-8"))
    return document


@cache
def shipped_templates() -> tuple[TemplateDocument, ...]:
    """Every format, in the order in which they are tried for a model."""
    templates = []
    for key in _ORDER:
        kinds: tuple[TemplateKind, ...] = ("instruct", "context")
        for kind in kinds:
            part = _file(key).get(kind)
            if part is not None:
                templates.append(TemplateDocument(kind, part["name"], part))
    return tuple(templates)


@cache
def shipped_instructs() -> tuple[Instruct, ...]:
    return tuple(
        read_instruct(template.document) for template in shipped_templates() if template.kind == "instruct"
    )


def story_context() -> Context:
    """For models without a format: lines that begin with names."""
    return read_context(_file("story")["context"])


def common_context() -> Context:
    """What stands before the turns where a template does not say."""
    return read_context(_file("common")["context"])


def common_sysprompt(language: Language) -> SystemPrompt:
    """The instruction where a template does not say."""
    part = _file("common")["sysprompt"]
    return SystemPrompt(part["name"], part["content"][language])
