"""The account of one turn: what was sent and why, for the inspector.

A record is plain JSON: it is stored with the conversation and read again after a restart.

See docs/spec/formats.md: Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lunalux_core.dialogue.context_window import reply_room, window_of

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import Ready, Shortened
    from lunalux_core.dialogue.workflow import Trace


def turn_record(
    ready: Ready,
    trace: Trace,
    shape: str = "",
    parameters: Iterable[Mapping[str, Any]] = (),
    shortened: Shortened | None = None,
) -> dict[str, Any]:
    """The record of a turn whose prompt is ready.

    `shape` tells how the messages were reshaped for a strict server, "" where they went as they are.

    `shortened` tells of a prompt before it that was refused for its length, `window` how many tokens prompt
    and reply had, who said so (person, server, default), and how many were kept for the reply. `texts_cut`
    names texts of the card that were shortened for a small window, `overrides` those in whose place the chat
    has its own, `injections` are the texts that scripts put into the chat.

    `names` tells what the preset calls its own slots, `prompt` is the report of the assembly (what was cut),
    `worldbook` the engine's account of its entries, `scripts` which regex scripts changed what, `parameters`
    what the request asked for, who said it, and what the model does not take (`turn_sampling`), `memory`
    every memory used and left out, with the reason (`memory.selection`), `trackers` each tracker of the
    conversation, and why it is left out where it is, `bank` the passages of documents likewise.
    """
    turn = ready.request.turn
    slots = {part for message in ready.prompt.messages for part in message.slot.split("+")}
    slots.update(slot.slot for slot in ready.prompt.report.slots)
    # Sorted, since a set of texts has another order in every process.
    prompts = (turn.preset.prompt(slot) for slot in sorted(slots))
    return {
        "kind": turn.kind,
        "model": turn.model.name,
        "preset": turn.preset.name,
        "profiles": list(turn.profiles),
        "template": ready.prompt.form.template if ready.prompt.form else "",
        "marks": list(ready.prompt.form.marks) if ready.prompt.form else [],
        "character": turn.character.name,
        "messages": [asdict(message) for message in ready.prompt.messages],
        "names": {
            prompt.identifier: prompt.name for prompt in prompts if prompt is not None and not prompt.marker
        },
        "prompt": ready.prompt.report.as_dict(),
        "worldbook": ready.activation.as_json(),
        "scripts": [asdict(touch) for touch in trace.touched],
        "shape": shape,
        "shortened": asdict(shortened) if shortened is not None else None,
        "texts_cut": list(trace.cut),
        "overrides": list(turn.overridden),
        "injections": [asdict(injection) for injection in turn.injections],
        "window": {
            "tokens": window_of(turn),
            "source": turn.model.window_source,
            "reply": reply_room(turn),
        },
        "parameters": list(parameters),
        "memory": dict(trace.memory()),
        "trackers": trace.trackers(trace.room),
        "bank": dict(trace.bank(trace.room)),
    }
