"""Presets: the prompts of a chat, their order, and how the model samples.

A SillyTavern chat-completion file is read into values and kept whole beside them, so that exporting
gives back what was imported. One thing is never kept: a preset from somebody else must not decide which
server the person's words and keys go to, so fields of endpoints, proxies, keys and headers are dropped.

See docs/spec/formats.md: Preset files, Narratium assembly.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

from lunalux_core.documents.coerce import as_object
from lunalux_core.documents.json_text import decode_text, parse_json
from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.presets.preset import (
    DEFAULT_ORDER,
    GLOBAL_ORDER_ID,
    MARKERS,
    Assembly,
    OrderEntry,
    Preset,
    PresetParams,
    PresetPrompt,
    PresetSource,
)
from lunalux_core.presets.preset_fields import (
    EXTENSION_KEY,
    assembly_of,
    order_id,
    order_of,
    order_of_groups,
    params_of,
    prompts_of,
    regex_scripts_of,
    unread_of,
    without_unsafe,
)
from lunalux_core.presets.recognition import (
    from_prompt_export,
    is_preset,
    is_prompt_export,
    other_program,
    with_lists,
)

__all__ = [
    "DEFAULT_ORDER",
    "GLOBAL_ORDER_ID",
    "MARKERS",
    "Assembly",
    "OrderEntry",
    "Preset",
    "PresetParams",
    "PresetPrompt",
    "PresetSource",
    "ReadPreset",
    "parse_preset",
    "preset_document",
    "read_preset",
    "set_content",
    "set_enabled",
    "set_order",
]


class ReadPreset(NamedTuple):
    """A preset and what the person should know about how it was read."""

    preset: Preset
    notes: tuple[str, ...]


def parse_preset(data: bytes, name: str) -> ReadPreset:
    """Read a preset file. There is no name inside; the file's own (without its ending) is `name`.

    Raises:
        InvalidInput: PRESET_BAD_JSON, or PRESET_NOT_RECOGNISED for JSON that is no chat preset.
        LimitExceeded: larger or deeper than any real preset.
    """
    text, warnings = decode_text(data)
    try:
        document = parse_json(text)
    # It is an InvalidInput, too, and says more than that the JSON is broken.
    except LimitExceeded:
        raise
    except InvalidInput as error:
        raise InvalidInput(
            "PRESET_BAD_JSON",
            f"This preset is not valid JSON: {error.params.get('reason', '')}.",
            "Export it again, or repair the file in a text editor.",
            # The translated sentence has a place for the reason, also where the parser gave none.
            **{"reason": "", **error.params},
        ) from None
    preset, notes = read_preset(document, name)
    return ReadPreset(preset, (*warnings, *notes))


def read_preset(document: object, name: str, source: PresetSource | None = None) -> ReadPreset:
    """Read a preset's document. `source` None decides by what the document is.

    Raises:
        InvalidInput: PRESET_NOT_RECOGNISED.
    """
    if not isinstance(document, dict) or not is_preset(document):
        kind, sentence = other_program(document) or ("", "This file is not a chat preset.")
        raise InvalidInput(
            "PRESET_NOT_RECOGNISED",
            sentence,
            "Choose a SillyTavern chat-completion preset; those for text completion or instruct mode differ.",
            **({"kind": kind} if kind else {}),
        )
    if is_prompt_export(document):
        document = from_prompt_export(document)
    raw, notes = without_unsafe(document)
    shaped = with_lists(raw)
    prompts, more = prompts_of(shaped)
    assembly = assembly_of(shaped)
    # Narratium's own files have no list of the order: number and switch stand in each prompt.
    grouped = assembly == "narratium" and not isinstance(shaped.get("prompt_order"), list)
    preset = Preset(
        name=name,
        source=source or ("user" if assembly == "narratium" else "sillytavern"),
        assembly=assembly,
        params=params_of(raw),
        prompts=prompts,
        order=order_of_groups(shaped) if grouped else order_of(shaped),
        regex_scripts=regex_scripts_of(raw),
        raw=raw,
    )
    return ReadPreset(preset, (*notes, *more, *unread_of(raw)))


def preset_document(preset: Preset) -> dict[str, Any]:
    """The document to write: what was read, with everything nobody here knows about."""
    return copy.deepcopy(dict(preset.raw))


def set_enabled(preset: Preset, identifier: str, enabled: bool) -> Preset:
    """The preset with one prompt switched on or off; one that was not in the list goes to its end."""
    order = {entry.identifier: entry for entry in preset.order}
    order[identifier] = OrderEntry(identifier, enabled)
    return set_order(preset, order.values())


def set_order(preset: Preset, order: Iterable[OrderEntry]) -> Preset:
    """The preset with another order list; other lists in the file stay as they are."""
    document = with_lists(preset_document(preset))
    entries = [{"identifier": entry.identifier, "enabled": entry.enabled} for entry in order]
    lists = document.get("prompt_order")
    lists = lists if isinstance(lists, list) else []
    # The lists under other ids are those of old versions of SillyTavern and not ours to change.
    for group in lists:
        if isinstance(group, dict) and order_id(group) == GLOBAL_ORDER_ID:
            group["order"] = entries
            break
    else:
        document["prompt_order"] = [*lists, {"character_id": GLOBAL_ORDER_ID, "order": entries}]
    return _reread(preset, document)


def set_content(preset: Preset, identifier: str, content: str) -> Preset:
    """The preset with another text for one of its prompts. Raises InvalidInput PROMPT_NOT_FOUND."""
    document = with_lists(preset_document(preset))
    for prompt in document.get("prompts") or []:
        if isinstance(prompt, dict) and prompt.get("identifier") == identifier:
            prompt["content"] = content
            return _reread(preset, document)
    raise InvalidInput(
        "PROMPT_NOT_FOUND",
        f"The preset has no prompt {identifier!r}.",
        "`lunalux preset show` lists its prompts.",
        identifier=identifier,
    )


def _reread(preset: Preset, document: dict[str, Any]) -> Preset:
    # `set_order` gives the document a `prompt_order`, by which it would be read as SillyTavern's from now on.
    if preset.assembly == "narratium":
        extensions = as_object(document.get("extensions"))
        document["extensions"] = {**extensions, EXTENSION_KEY: {"assembly": "narratium"}}
    return read_preset(document, preset.name, "user" if preset.source == "builtin" else preset.source).preset
