"""output: what the library keeps of a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lunalux_core.dialogue.turn import ReplyDraft, TurnResult
from lunalux_core.dialogue.turn_record import turn_record
from lunalux_core.dialogue.turn_sampling import sampling_record
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.llm.model_registry import Registry


def output(models: Callable[[], Registry]) -> Node[ReplyDraft, TurnResult]:
    """With what the turn cost, as far as the prices of its model are known."""

    async def node(reply: ReplyDraft, context: TurnContext) -> TurnResult:
        result = _result(reply, context)
        spec = reply.completion.ready.request.turn.model
        return replace(result, cost=await models().cost(spec, result.usage))

    return node


def _result(reply: ReplyDraft, context: TurnContext) -> TurnResult:
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
        others=completion.others,
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
        report=lambda: turn_record(
            ready,
            context.trace,
            completion.shape,
            sampling_record(turn, ready.prompt.form),
            completion.shortened,
        ),
        finish=completion.finish,
        speed=completion.speed,
    )
