"""userInput: the person's words through the input scripts, and into the frame of the chosen mode."""

from __future__ import annotations

import asyncio

from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.turn import ProfileLacks, ScriptSkipped, TurnInput, TurnRequest
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.macros.expansion import expander
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.regex.substitution import run_scripts

USER_INPUT = 1


def user_input(engine: EcmaEngine) -> Node[TurnInput, TurnRequest]:
    """Scripts run once, on words that are new; what is regenerated was stored after its scripts."""

    async def node(turn: TurnInput, context: TurnContext) -> TurnRequest:
        text = turn.text
        for gap in turn.gaps:
            context.tell(ProfileLacks(gap))
        if text and turn.kind == "normal" and turn.scripts:
            result = await asyncio.to_thread(
                run_scripts,
                turn.scripts,
                text,
                placement=USER_INPUT,
                target="store",
                engine=engine,
                expand=expander(macro_context(turn, text), turn.variables()),
            )
            text = result.text
            context.trace.touch(result.applied, "input")
            for skipped in result.skipped:
                if skipped.failed:
                    context.tell(ScriptSkipped(skipped.name, skipped.detail or skipped.reason))
        sent = text
        if turn.mode:
            from lunalux_core.dialogue.direction import framed

            sent = framed(text, turn.mode, turn.language)
        return TurnRequest(turn, text, sent)

    return node
