"""SillyTavern's template files: which kind one is, what it says, and what old ones mean today.

A document is kept whole beside what is read from it, so that writing gives back what came, unknown fields
included. One thing is never kept: fields that choose servers, keys or headers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.errors import InvalidInput
from lunalux_core.presets.preset_fields import without_unsafe
from lunalux_core.templates.handlebars import parse
from lunalux_core.templates.sampling import read_sampler
from lunalux_core.templates.template_values import (
    ROLES,
    Context,
    Instruct,
    NamesBehavior,
    Reasoning,
    ReplyStart,
    SystemPrompt,
    TemplateKind,
    TemplatePart,
)
from lunalux_core.text import clean_line

NAME_CHARS = 200
_SERVER = re.compile(r"server|(?:^|_)urls?$", re.IGNORECASE)

_MASTER: Mapping[str, TemplateKind] = {
    "instruct": "instruct",
    "context": "context",
    "sysprompt": "sysprompt",
    "preset": "sampler",
    "reasoning": "reasoning",
    "srw": "srw",
}
"""Keys of a master file, and what stands under them."""


@dataclass(frozen=True, slots=True)
class TemplateDocument:
    """One template as a file brings it. `bundle` is the master file it is a part of, else empty."""

    kind: TemplateKind
    name: str
    document: Mapping[str, Any]
    bundle: str = ""
    notes: tuple[str, ...] = ()


def kind_of(document: object) -> TemplateKind | None:
    """The kind of a file that is one template; None for a master file and for everything else."""
    if not isinstance(document, dict):
        return None
    # From the most telling field down: nearly every kind has a `name`, too.
    if "input_sequence" in document or "output_sequence" in document:
        return "instruct"
    if "story_string" in document:
        return "context"
    if "name" in document and isinstance(document.get("content"), str):
        return "sysprompt"
    if "rep_pen" in document or ("temp" in document and ("top_k" in document or "top_p" in document)):
        return "sampler"
    if "prefix" in document and "suffix" in document:
        return "reasoning"
    return None


def is_master(document: object) -> bool:
    """Whether a file carries several templates under their kinds."""
    if not isinstance(document, dict) or kind_of(document) is not None:
        return False
    return any(isinstance(part := document.get(key), dict) and part for key in _MASTER)


def template_documents(document: object, stem: str) -> list[TemplateDocument]:
    """What a file brings.

    Args:
        stem: the file's name without its ending: the name of a master file, and of what has none.

    Raises:
        InvalidInput: TEMPLATE_NOT_RECOGNISED.
    """
    kind = kind_of(document)
    if kind is not None:
        return [_document(kind, as_object(document), stem)]
    if not is_master(document):
        raise InvalidInput(
            "TEMPLATE_NOT_RECOGNISED",
            "This file is no template for text completion.",
            "Choose an instruct, context, system prompt, reasoning, sampler or master file.",
        )
    bundle = clean_line(stem, NAME_CHARS) or "master"
    parts = ((key, kind, as_object(as_object(document).get(key))) for key, kind in _MASTER.items())
    return [replace(_document(kind, part, bundle), bundle=bundle) for _, kind, part in parts if part]


def master_document(parts: Mapping[TemplateKind, Mapping[str, Any]]) -> dict[str, Any]:
    """The master file of some parts, as `template_documents` takes it apart."""
    return {key: parts[kind] for key, kind in _MASTER.items() if kind in parts}


def _document(kind: TemplateKind, document: Mapping[str, Any], stem: str) -> TemplateDocument:
    kept, notes = _without_servers(document) if kind == "sampler" else (copy.deepcopy(dict(document)), ())
    wrong = syntax_error(as_text(kept.get("story_string"))) if kind == "context" else None
    if wrong is not None:
        notes = (*notes, wrong.message)
    name = clean_line(as_text(kept.get("name")), NAME_CHARS) or clean_line(stem, NAME_CHARS) or kind
    return TemplateDocument(kind, name, well_formed_value(kept), notes=notes)


def _without_servers(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A sampler's document without what names a server or a key."""
    named = sorted(key for key, value in document.items() if _SERVER.search(key) and value not in ("", None))
    kept, notes = without_unsafe({key: value for key, value in document.items() if key not in named})
    if named:
        notes = (*notes, f"Left out, because a preset may not choose servers: {', '.join(named)}.")
    return kept, notes


def read_part(kind: TemplateKind, document: Mapping[str, Any], name: str = "") -> TemplatePart:
    """What a template's document says; whatever is missing or of a wrong type has its default.

    Args:
        name: what it is called in the library, before the name in the file.
    """
    readers: Mapping[TemplateKind, Callable[[Mapping[str, Any], str], TemplatePart]] = {
        "instruct": read_instruct,
        "context": read_context,
        "sysprompt": _sysprompt,
        "sampler": read_sampler,
        "reasoning": _reasoning,
        "srw": _start,
    }
    return readers[kind](document, name or as_text(document.get("name")))


def read_instruct(document: Mapping[str, Any], name: str = "") -> Instruct:
    """An instruct template, with what old files say in old fields."""
    values: dict[str, Any] = {"name": name or as_text(document.get("name"))}
    for template_field in fields(Instruct):
        if template_field.name in document and template_field.name not in ("name", "names_behavior"):
            value = document[template_field.name]
            values[template_field.name] = (
                as_flag(value, bool(template_field.default))
                if template_field.type == "bool"
                else as_text(value)
            )
    # An old field: what stood between turns belongs after the reply today.
    if "separator_sequence" in document:
        values["output_suffix"] = as_text(document["separator_sequence"])
    return Instruct(**values, names_behavior=_names_behavior(document))


def _names_behavior(document: Mapping[str, Any]) -> NamesBehavior:
    # Two switches of old files, in place of the one field of today.
    if "names" in document:
        if as_flag(document["names"]):
            return "always"
        return "force" if as_flag(document.get("names_force_groups")) else "none"
    behavior = as_text(document.get("names_behavior"))
    return cast(NamesBehavior, behavior) if behavior in ("none", "force", "always") else "force"


def read_context(document: Mapping[str, Any], name: str = "") -> Context:
    """A context template. One without a position of its story string is older than the anchors of notes,
    and gets them."""
    values: dict[str, Any] = {"name": name or as_text(document.get("name"))}
    for template_field in fields(Context):
        if template_field.name not in document or template_field.name == "name":
            continue
        value, default = document[template_field.name], template_field.default
        if template_field.type == "bool":
            values[template_field.name] = as_flag(value, bool(default))
        elif template_field.type == "int":
            values[template_field.name] = as_integer(value, cast(int, default))
        else:
            values[template_field.name] = as_text(value)
    context = Context(**values)
    # A broken one stays as it is written, or the error would be told at another line and column.
    if "story_string_position" not in document and not syntax_error(context.story_string):
        context = replace(context, story_string=with_anchors(context.story_string))
    return replace(
        context,
        story_string_position=1 if context.story_string_position == 1 else 0,
        story_string_depth=max(context.story_string_depth, 0),
        story_string_role=context.story_string_role if 0 <= context.story_string_role < len(ROLES) else 0,
    )


def syntax_error(story: str) -> InvalidInput | None:
    """What is wrong with a story string, if it cannot be read."""
    try:
        parse(story)
    except InvalidInput as error:
        return error
    return None


def with_anchors(story: str) -> str:
    """A story string with the places of notes: before its first field, and after its last."""
    if "{{anchorBefore}}" not in story:
        place = max(story.find("{{"), 0)
        story = f"{story[:place]}{_anchor('anchorBefore')}{story[place:]}"
    if "{{anchorAfter}}" not in story:
        last = story.rfind("}}")
        place = last + 2 if last >= 0 else len(story)
        # A {{trim}} at the end is no field: what is added stands before it.
        trim = story.rfind("{{trim}}")
        place = min(place, trim) if trim >= 0 else place
        story = f"{story[:place]}{_anchor('anchorAfter')}{story[place:]}"
    return story


def _anchor(field: str) -> str:
    return f"{{{{#if {field}}}}}{{{{{field}}}}}\n{{{{/if}}}}"


def _sysprompt(document: Mapping[str, Any], name: str) -> SystemPrompt:
    return SystemPrompt(name, as_text(document.get("content")), as_text(document.get("post_history")))


def _reasoning(document: Mapping[str, Any], name: str) -> Reasoning:
    return Reasoning(name, *(as_text(document.get(key)) for key in ("prefix", "suffix", "separator")))


def _start(document: Mapping[str, Any], name: str) -> ReplyStart:
    return ReplyStart(name, as_text(document.get("value")), as_flag(document.get("show")))
