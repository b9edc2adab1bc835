"""regex: the raw answer becomes a reply: output contract first, then the scripts for stored text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from lunalux_core.dialogue.nodes.llm import told_beginning
from lunalux_core.dialogue.nodes.macro_context import macro_context
from lunalux_core.dialogue.output_contract import own_names, parse_reply, without_name
from lunalux_core.dialogue.turn import Completion, ReplyDraft, ScriptSkipped
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.llm.servers.marks import marks
from lunalux_core.macros.expansion import expander
from lunalux_core.regex.substitution import run_scripts

if TYPE_CHECKING:
    from lunalux_core.plugins.runner import Plugins
    from lunalux_core.regex.engine import EcmaEngine

REPLY, REASONING = 2, 6


def regex(engine: EcmaEngine, plugins: Callable[[], Plugins]) -> Node[Completion, ReplyDraft]:
    async def node(completion: Completion, context: TurnContext) -> ReplyDraft:
        turn = completion.ready.request.turn
        if turn.settings.plugins:
            from lunalux_core.dialogue.nodes.plugin import raw_answer

            completion = await raw_answer(completion, plugins(), context)
        tag_marks = marks(turn.model.options.thinking_marks)
        parsed = parse_reply(completion.text, going_on=turn.kind == "continue", thinking=tag_marks)
        # Servers may give the reasoning apart and in the text, too; it is kept once.
        thoughts = dict.fromkeys(
            thought for thought in (completion.thinking, parsed.thinking) if thought.strip()
        )
        thinking = "\n\n".join(thoughts)
        text = without_name(parsed.text, own_names(turn))
        if (begun := told_beginning(completion.ready)) is not None:
            text = begun.whole(text)
        # The person's own words, which impersonate writes, are run through scripts when they are sent.
        if turn.scripts and turn.kind != "impersonate":
            expand = expander(macro_context(turn, completion.ready.request.sent), completion.ready.variables)
            for placement in (REASONING, REPLY):
                before = thinking if placement == REASONING else text
                if not before:
                    continue
                result = await asyncio.to_thread(
                    run_scripts,
                    turn.scripts,
                    before,
                    placement=placement,
                    target="store",
                    engine=engine,
                    expand=expand,
                )
                context.trace.touch(result.applied, "reasoning" if placement == REASONING else "reply")
                if placement == REASONING:
                    thinking = result.text
                else:
                    text = result.text
                for skipped in result.skipped:
                    if skipped.failed:
                        context.tell(ScriptSkipped(skipped.name, skipped.detail or skipped.reason))
        return ReplyDraft(
            completion, text, completion.text, thinking, tuple(parsed.suggestions), parsed.event
        )

    return node
