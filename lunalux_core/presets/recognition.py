"""What a preset is, in the shapes in which it comes, and whose it is where it is none of ours.

See docs/spec/formats.md: Preset files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lunalux_core.documents.coerce import as_object, as_text
from lunalux_core.presets.preset import GLOBAL_ORDER_ID

LEGACY_TEXTS = {"main": "main_prompt", "nsfw": "nsfw_prompt", "jailbreak": "jailbreak_prompt"}
"""Where the texts stood before prompts were a list."""

_SCALARS = ("temperature", "openai_max_context", "openai_max_tokens", "chat_completion_source", "top_p")
"""Settings of files from before prompts were a list; two are asked for, since other programs have one."""
_OWN = (
    *LEGACY_TEXTS.values(), "openai_max_context", "openai_max_tokens", "chat_completion_source", "wi_format",
    "new_chat_prompt", "impersonation_prompt",
)  # fmt: skip
"""Settings that SillyTavern alone calls so."""
_NOVELAI = ("phrase_rep_pen", "tail_free_sampling", "repetition_penalty_slope")
_RISU = ("formatingOrder", "PresensePenalty")
"""Settings that every preset of RisuAI has, and by their spelling no other."""


def is_preset(document: Mapping[str, Any]) -> bool:
    """Whether a document is a chat preset, with prompts or with settings alone."""
    if has_prompts(document) or is_prompt_export(document):
        return True
    if other_program(document) or sum(key in document for key in _SCALARS) < 2:
        return False
    # Bare numbers mean the same everywhere. Of texts under names that nobody here knows all would be lost.
    return _is_own(document) or not any(
        isinstance(value, str | list | dict) for value in _beside_name(document)
    )


def has_prompts(document: Mapping[str, Any]) -> bool:
    """Whether prompts are there: a list, or an object of prompts under their identifiers."""
    prompts = document.get("prompts")
    if not isinstance(prompts, dict):
        return isinstance(prompts, list)
    written = any(
        isinstance(item, dict) and ("content" in item or "marker" in item) for item in prompts.values()
    )
    return written or "prompt_order" in document or _is_own(document)


def _is_own(document: Mapping[str, Any]) -> bool:
    return any(key in document for key in _OWN)


def _beside_name(document: Mapping[str, Any]) -> Iterator[object]:
    return (value for key, value in document.items() if key != "name")


def is_novelai(document: Mapping[str, Any]) -> bool:
    """Whether a document is a preset of NovelAI, whose parameters share names with ours."""
    holders = (document, as_object(document.get("parameters")))
    return any(key in holder for key in _NOVELAI for holder in holders) and not has_prompts(document)


def is_risu(document: Mapping[str, Any]) -> bool:
    """Whether a document is a preset of RisuAI, whose numbers have another scale."""
    return any(key in document for key in _RISU) and not has_prompts(document)


_OTHERS: Mapping[str, tuple[Callable[[Mapping[str, Any]], bool], str]] = {
    "novelai-preset": (is_novelai, "This is a preset of NovelAI, which Lunalux does not use."),
    "risup": (is_risu, "This is a preset of RisuAI, which Lunalux does not read."),
}


def other_program(document: object) -> tuple[str, str] | None:
    """For a preset of another program its kind and a sentence on it, None for everything else."""
    if not isinstance(document, dict):
        return None
    return next(((kind, sentence) for kind, (test, sentence) in _OTHERS.items() if test(document)), None)


def is_prompt_export(document: Mapping[str, Any]) -> bool:
    """Whether a document is what the prompt manager of SillyTavern exports: prompts without a preset."""
    inner = as_object(document.get("data"))
    return isinstance(inner.get("prompts"), list) and isinstance(inner.get("prompt_order"), list)


def from_prompt_export(document: Mapping[str, Any]) -> dict[str, Any]:
    """A preset of exported prompts. Their order is one bare list, without the id that a preset has there."""
    inner = as_object(document.get("data"))
    return with_lists({"prompts": inner["prompts"], "prompt_order": inner["prompt_order"]})


def with_lists(document: Mapping[str, Any]) -> dict[str, Any]:
    """The preset in SillyTavern's shape: a list of prompts, and lists of their order with an id each.

    Tools write both as objects by identifier and id, or the order as one bare list.
    """
    shaped = dict(document)
    prompts = document.get("prompts")
    if isinstance(prompts, dict) and has_prompts(document):
        shaped["prompts"] = [_identified(key, item) for key, item in prompts.items()]
    if (order := _order_lists(document.get("prompt_order"))) is not None:
        shaped["prompt_order"] = order
    return shaped


def _identified(identifier: str, item: object) -> object:
    if isinstance(item, str):
        return {"identifier": identifier, "name": identifier, "content": item}
    if isinstance(item, dict) and not as_text(item.get("identifier")):
        return {**item, "identifier": identifier}
    return item


def _order_lists(order: object) -> list[Any] | None:
    """The lists of an order that has another shape, None where it is as SillyTavern writes it."""
    if isinstance(order, dict):
        if isinstance(order.get("order"), list):
            return [{"character_id": GLOBAL_ORDER_ID, **order}]
        listed = ((key, item if isinstance(item, list) else as_object(item)) for key, item in order.items())
        return [
            {"character_id": key, "order": item} if isinstance(item, list) else {"character_id": key, **item}
            for key, item in listed
        ]
    entries = [item for item in order if isinstance(item, dict)] if isinstance(order, list) else []
    if any("identifier" in entry for entry in entries) and not any("order" in entry for entry in entries):
        return [{"character_id": GLOBAL_ORDER_ID, "order": entries}]
    return None
