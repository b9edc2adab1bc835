"""output: what the library keeps of a turn, with its record: what was sent and why, for the inspector.

A record is plain JSON: it is stored with the conversation and read again after a restart.

See docs/spec/formats.md: Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from lunalux_core.dialogue.turn import Ready, ReplyDraft, TurnResult
from lunalux_core.dialogue.turn_sampling import sampling_record
from lunalux_core.dialogue.workflow import Trace, TurnContext
from lunalux_core.llm.model import cost_of


async def output(reply: ReplyDraft, context: TurnContext) -> TurnResult:
    completion = reply.completion
    ready = completion.ready
    turn = ready.request.turn
    state: dict[str, Any] = {}
    if variables := ready.variables.local.all():
        state["variables"] = variables
    if timed := ready.activation.timed.as_json():
        state["timed"] = timed
    changed = ready.variables.global_.changes
    return TurnResult(
        text=turn.partial + reply.text,
        raw=turn.partial + reply.raw,
        thinking=reply.thinking,
        suggestions=reply.suggestions,
        event=reply.event,
        sent_text=ready.request.text,
        usage=completion.usage,
        billing=completion.billing,
        state=state,
        global_variables=dict(ready.variables.global_.all()) if changed else None,
        token_factor=completion.token_factor,
        report=turn_record(ready, context.trace, completion.shape, sampling_record(turn, ready.prompt.form)),
        finish=completion.finish,
        speed=completion.speed,
        cost=cost_of(completion.usage, turn.model.options.price),
    )


def turn_record(
    ready: Ready, trace: Trace, shape: str = "", parameters: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The record of a turn whose prompt is ready.

    `shape` tells how the messages were reshaped for a strict server, "" where they went as they are.

    `names` tells what the preset calls its own slots, `prompt` is the report of the assembly (what was cut),
    `worldbook` the engine's account of its entries, `scripts` which regex scripts changed what, `parameters`
    what the request asked for, who said it, and what the model does not take (`turn_sampling`).
    """
    turn = ready.request.turn
    slots = {part for message in ready.prompt.messages for part in message.slot.split("+")}
    slots.update(slot.slot for slot in ready.prompt.report.slots)
    prompts = (turn.preset.prompt(slot) for slot in sorted(slots))
    return {
        "kind": turn.kind,
        "model": turn.model.name,
        "preset": turn.preset.name,
        "template": ready.prompt.form.template if ready.prompt.form else "",
        "character": turn.character.name,
        "messages": [asdict(message) for message in ready.prompt.messages],
        "names": {
            prompt.identifier: prompt.name for prompt in prompts if prompt is not None and not prompt.marker
        },
        "prompt": ready.prompt.report.as_dict(),
        "worldbook": ready.activation.as_json(),
        "scripts": [asdict(touch) for touch in trace.touched],
        "shape": shape,
        "parameters": list(parameters),
    }
