"""From the JSON of a preset to its values, tolerant of what other programs leave out.

See docs/spec/formats.md: Preset files, Narratium assembly.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lunalux_core.documents.coerce import as_flag, as_integer, as_number, as_object, as_text, as_texts
from lunalux_core.documents.prompt_values import Role, Sampling
from lunalux_core.presets.preset import (
    DEFAULT_ORDER,
    GLOBAL_ORDER_ID,
    MARKERS,
    Assembly,
    OrderEntry,
    PresetParams,
    PresetPrompt,
)
from lunalux_core.presets.recognition import LEGACY_TEXTS

EXTENSION_KEY = "lunalux"
_ROLES: Mapping[object, Role] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    # SillyTavern numbers the roles like this where they are not written out.
    0: "system",
    1: "user",
    2: "assistant",
    "0": "system",
    "1": "user",
    "2": "assistant",
}
_GROUP_KEYS = ("group", "group_id", "groupId")
_UNSAFE = re.compile(
    r"^custom_|proxy|password|api_?key|secret|headers|(?:^|_)(?:endpoint|base_url|server_url)$", re.IGNORECASE
)
_SWITCHES = {
    "nsfw": "nsfw_toggle",
    "jailbreak": "jailbreak_system",
    "enhanceDefinitions": "enhance_definitions",
}
"""What switched a prompt on before there was a list of their order."""


def without_unsafe(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document without what could redirect requests. Empty fields decide nothing and stay."""
    unsafe = (key for key, value in document.items() if value not in ("", None) and _UNSAFE.search(key))
    dropped = sorted(unsafe)
    allowed = {key: copy.deepcopy(value) for key, value in document.items() if key not in dropped}
    if not dropped:
        return allowed, ()
    return allowed, (f"Left out, because a preset may not choose servers or keys: {', '.join(dropped)}.",)


def assembly_of(raw: Mapping[str, Any]) -> Assembly:
    ours = as_object(as_object(raw.get("extensions")).get(EXTENSION_KEY)).get("assembly")
    if ours in ("sillytavern", "narratium"):
        return "narratium" if ours == "narratium" else "sillytavern"
    if isinstance(raw.get("prompt_order"), list):
        return "sillytavern"
    grouped = any(key in prompt for prompt in _objects(raw.get("prompts")) for key in _GROUP_KEYS)
    return "narratium" if grouped else "sillytavern"


def prompts_of(raw: Mapping[str, Any]) -> tuple[tuple[PresetPrompt, ...], tuple[str, ...]]:
    if not isinstance(raw.get("prompts"), list) or _is_old(raw):
        return tuple(_bare_prompt(raw, entry.identifier) for entry in DEFAULT_ORDER), ()
    prompts: dict[str, PresetPrompt] = {}
    nameless = 0
    for item in _objects(raw["prompts"]):
        prompt = _prompt(item)
        nameless += not prompt.identifier
        # Of several with one identifier SillyTavern takes the first.
        if prompt.identifier:
            prompts.setdefault(prompt.identifier, prompt)
    notes = (f"Prompts without an identifier cannot be used: {nameless}.",) if nameless else ()
    return tuple(prompts.values()), notes


def _bare_prompt(raw: Mapping[str, Any], identifier: str) -> PresetPrompt:
    """For files from before prompts were a list: their texts stood beside the settings."""
    content = as_text(raw.get(LEGACY_TEXTS.get(identifier, ""), ""))
    if identifier == "nsfw" and not as_flag(raw.get("nsfw_toggle"), True):
        # The switch chose between two texts for one place.
        content = as_text(raw.get("nsfw_avoidance_prompt")) or content
    return PresetPrompt(identifier, identifier, content=content, marker=identifier in MARKERS)


def _prompt(prompt: Mapping[str, Any]) -> PresetPrompt:
    identifier = as_text(prompt.get("identifier"))
    role = prompt.get("role")
    return PresetPrompt(
        identifier=identifier,
        name=as_text(prompt.get("name")) or identifier,
        role=_ROLES.get(role, "system") if isinstance(role, str | int) else "system",
        content=as_text(prompt.get("content")),
        marker=as_flag(prompt.get("marker")),
        # SillyTavern: 0 is in the place that the order gives, 1 at a depth of the chat.
        absolute=as_integer(prompt.get("injection_position"), 0) == 1,
        depth=max(as_integer(prompt.get("injection_depth"), 4), 0),
        order=as_integer(prompt.get("injection_order"), 100),
        triggers=as_texts(prompt.get("injection_trigger")),
        forbid_overrides=as_flag(prompt.get("forbid_overrides")),
    )


def order_of(raw: Mapping[str, Any]) -> tuple[OrderEntry, ...]:
    for order in _objects(raw.get("prompt_order")):
        if order_id(order) == GLOBAL_ORDER_ID and isinstance(order.get("order"), list):
            entries = (
                OrderEntry(as_text(entry.get("identifier")), as_flag(entry.get("enabled")))
                for entry in _objects(order["order"])
            )
            return _unique(entries)
    return _old_order(raw) if _is_old(raw) else DEFAULT_ORDER


def _is_old(raw: Mapping[str, Any]) -> bool:
    """Whether a file is from before prompts were a list. Newer ones keep the old switches and ignore them."""
    return not _objects(raw.get("prompts")) and any(key in raw for key in LEGACY_TEXTS.values())


def _old_order(raw: Mapping[str, Any]) -> tuple[OrderEntry, ...]:
    """The usual order, with the switches of an old file and its place for the second text."""
    order = {
        entry.identifier: entry._replace(
            enabled=as_flag(raw.get(_SWITCHES.get(entry.identifier, "")), entry.enabled)
        )
        for entry in DEFAULT_ORDER
    }
    if as_text(raw.get("nsfw_avoidance_prompt")):
        order["nsfw"] = order["nsfw"]._replace(enabled=True)
    if raw.get("nsfw_first") is None:
        return tuple(order.values())
    first, second = ("nsfw", "main") if as_flag(raw["nsfw_first"]) else ("main", "nsfw")
    return (order.pop(first), order.pop(second), *order.values())


def order_of_groups(raw: Mapping[str, Any]) -> tuple[OrderEntry, ...]:
    """Narratium keeps the number of the list with the prompt: 2 counts, then 1, then none."""
    prompts = _objects(raw.get("prompts"))

    def group(prompt: Mapping[str, Any]) -> int:
        return next((as_integer(prompt[key], 0) for key in _GROUP_KEYS if key in prompt), 0)

    chosen = next((number for number in (2, 1) if any(group(entry) == number for entry in prompts)), None)
    return _unique(
        OrderEntry(as_text(entry.get("identifier")), as_flag(entry.get("enabled"), True))
        for entry in prompts
        if chosen is None or group(entry) == chosen
    )


def _unique(entries: Iterable[OrderEntry]) -> tuple[OrderEntry, ...]:
    unique: dict[str, OrderEntry] = {}
    for entry in entries:
        if entry.identifier:
            unique.setdefault(entry.identifier, entry)
    return tuple(unique.values())


def params_of(raw: Mapping[str, Any]) -> PresetParams:
    usual = PresetParams()

    def text(key: str) -> str:
        value = raw.get(key)
        default: str = getattr(usual, key)
        return as_text(value) if isinstance(value, str) else default

    # Absent and empty differ: an empty one means that nothing is to be said, an absent one our own words.
    def instruction(key: str) -> str | None:
        value = raw.get(key)
        return as_text(value) if isinstance(value, str) else None

    def positive(key: str) -> int | None:
        number = as_integer(raw.get(key), 0)
        return number if number > 0 else None

    return PresetParams(
        sampling=_sampling(raw, positive("openai_max_tokens")),
        context_tokens=positive("openai_max_context"),
        names_behavior=as_integer(raw.get("names_behavior"), 0),
        wi_format=text("wi_format"),
        scenario_format=text("scenario_format"),
        personality_format=text("personality_format"),
        new_chat_prompt=text("new_chat_prompt"),
        new_group_chat_prompt=text("new_group_chat_prompt"),
        new_example_chat_prompt=text("new_example_chat_prompt"),
        impersonation_prompt=instruction("impersonation_prompt"),
        continue_nudge_prompt=instruction("continue_nudge_prompt"),
        group_nudge_prompt=instruction("group_nudge_prompt"),
        send_if_empty=text("send_if_empty"),
        assistant_prefill=as_text(raw.get("assistant_prefill")),
        assistant_impersonation=as_text(raw.get("assistant_impersonation")),
        continue_prefill=as_flag(raw.get("continue_prefill")),
        continue_postfix=text("continue_postfix"),
        squash_system_messages=as_flag(raw.get("squash_system_messages")),
    )


def _sampling(raw: Mapping[str, Any], max_tokens: int | None) -> Sampling:
    def number(key: str, off: float | None = None) -> float | None:
        # NaN stands for "no number there": every other number may be one that a person chose.
        value = as_number(raw.get(key), float("nan"))
        return None if value != value or value == off else value

    top_k = number("top_k", 0)  # 0 and 1 below mean "off"; plain OpenAI servers refuse these two
    return Sampling(
        temperature=number("temperature"),
        top_p=number("top_p"),
        top_k=None if top_k is None else int(top_k),
        max_tokens=max_tokens,
        frequency_penalty=number("frequency_penalty"),
        presence_penalty=number("presence_penalty"),
        repeat_penalty=number("repetition_penalty", 1),
        min_p=number("min_p", 0),
        top_a=number("top_a", 0),
        # SillyTavern writes -1 for "another seed each time".
        seed=seed if (seed := as_integer(raw.get("seed"), -1)) >= 0 else None,
        reasoning_effort=_word(raw.get("reasoning_effort")),
        verbosity=_word(raw.get("verbosity")),
        show_thoughts=thoughts if isinstance(thoughts := raw.get("show_thoughts"), bool) else None,
    )


def _word(value: object) -> str | None:
    """A choice of the preset; "auto" leaves it to the server, like no word at all."""
    word = as_text(value).strip()
    return None if word in {"", "auto"} else {"min": "minimal"}.get(word, word)


_UNREAD = {
    "function_calling": "calls of tools",
    "request_images": "asking for pictures",
    "enable_web_search": "web search",
}


def unread_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on what a preset asks for and nobody here does; it stays in the document."""
    unread = [f"{key} ({words})" for key, words in _UNREAD.items() if as_flag(raw.get(key))]
    if _is_old(raw) and as_flag(raw.get("enhance_definitions")):
        unread.append("enhance_definitions (its text is not in the file)")
    if as_integer(raw.get("n"), 1) > 1:
        unread.append("n (replies are asked for one at a time, so that none is lost)")
    bias = as_text(raw.get("bias_preset_selected"))
    if bias and bias != "Default (none)":
        unread.append(f"logit_bias (the list {bias} is not in the file)")
    return (f"Not used: {', '.join(unread)}.",) if unread else ()


def regex_scripts_of(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(_objects(as_object(raw.get("extensions")).get("regex_scripts")))


def order_id(group: Mapping[str, Any]) -> int:
    return as_integer(group.get("character_id"), 0)


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
