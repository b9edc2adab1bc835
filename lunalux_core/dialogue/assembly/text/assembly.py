"""From the input to the prompt: the parts of a text, made in the order in which macros are expanded."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from lunalux_core.dialogue.assembly.prompt import Prompt, TextForm
from lunalux_core.dialogue.assembly.prompt_material import CountTokens, Expand, PromptMaterial
from lunalux_core.dialogue.assembly.text.card_texts import example_blocks, story_string
from lunalux_core.dialogue.assembly.text.ending import ending_after, last_line
from lunalux_core.dialogue.assembly.text.fitting_turns import TextTokens, TextWindow
from lunalux_core.dialogue.assembly.text.fixed import fixed_texts
from lunalux_core.dialogue.assembly.text.pieces import TextPieces, sent_turns
from lunalux_core.dialogue.assembly.text.prompt_turns import text_turns
from lunalux_core.dialogue.assembly.text.source import TextSource, TextWishes
from lunalux_core.templates.cleanup import Cleaning
from lunalux_core.templates.stops import StopWishes, stop_strings
from lunalux_core.templates.story_string import around_story
from lunalux_core.templates.template_values import Instruct, TextTemplate
from lunalux_core.templates.turn_texts import Names, format_examples

_FACTORY_BUDGET = 4096
"""Tokens for a prompt where the material does not say."""


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """The prompt, and the parts of its text that scenarios of text completion are compared by.

    Args:
        story: the story string without what the template puts around it.
        last_line: the line that the reply continues; empty without an instruct template.
    """

    story: str
    examples: tuple[str, ...]
    turns: tuple[str, ...]
    ending: str
    continued: str | None
    last_line: str
    prompt: Prompt

    @property
    def text(self) -> str:
        return self.prompt.text


def text_prompt(
    template: TextTemplate,
    material: PromptMaterial,
    expand: Expand,
    count_tokens: CountTokens,
    wishes: TextWishes = TextWishes(),
) -> TextPrompt:
    """The text of one request.

    Args:
        expand: replaces macros; the order of its calls is the order of the parts below.
        count_tokens: tokens of a text alone, without the frame of a message.

    Raises:
        InvalidInput: TEMPLATE_SYNTAX, PROMPT_TOO_LARGE.
    """
    names = Names(material.user, material.card.called, material.group)
    source = TextSource(template, material, expand, wishes, names)
    tokens = TextTokens(count_tokens, material.budget if material.budget is not None else _FACTORY_BUDGET)

    blocks = example_blocks(source)
    formatted = format_examples(blocks, source.context, source.instruct, names, expand)
    story = story_string(source, blocks, formatted)
    around = around_story(story, source.context, source.instruct, expand)
    offered = [] if wishes.strip_examples else formatted
    turns = text_turns(source, story)
    # The turn to continue is the end of the text, so it must always fit.
    continued = turns.pop() if source.continues and len(turns) > 1 else None
    fixed = fixed_texts(source, around, offered, continued)

    window = TextWindow(source, tokens, fixed, turns)
    fitting = window.fitting_turns()
    window.check(fitting)
    examples = offered[: window.fitting_examples(offered, fitting)]
    sent = sent_turns(source, turns, fitting, fixed)
    if continued is not None:
        examples, sent = window.before_continued(examples, sent)
    ending = ending_after(source, sent[-1].text, continued) if sent else ""

    pieces = TextPieces(fixed.story, tuple(examples), fixed.chat_start, tuple(sent), ending, continued)
    messages = pieces.messages(tokens, wishes.collapse)
    report = pieces.report(tokens.limit, messages, turns, len(offered), fitting, material.omitted)
    prompt = Prompt(messages, report, text_form(source))
    instruct = source.instruct
    return TextPrompt(
        story=story,
        examples=pieces.examples,
        turns=tuple(turn.text for turn in sent),
        ending=ending,
        continued=continued.text if continued else None,
        last_line="" if instruct is None or source.continues else last_line(source, instruct),
        prompt=prompt,
    )


def text_form(source: TextSource) -> TextForm:
    """The form of a request with this text."""
    template, context, instruct = source.template, source.context, source.instruct
    stop = _stops(source)
    start = template.start
    beginning = source.reply_start() if start is not None and start.show else ""
    cleaning = Cleaning(
        source.names,
        stop,
        instruct,
        source.impersonates,
        start=beginning,
        whole_sentences=context.trim_sentences,
    )
    sampler, reasoning = template.sampler, template.reasoning
    return TextForm(
        template.name,
        stop,
        cleaning,
        sampler.values if sampler is not None else {},
        (reasoning.prefix, reasoning.suffix) if reasoning is not None else ("", ""),
        sequence_marks(instruct),
    )


def _stops(source: TextSource) -> tuple[str, ...]:
    history = source.material.history
    user_last = source.wishes.user_last
    if user_last is None:
        user_last = bool(history) and history[-1].role == "user"
    wishes = StopWishes(
        source.impersonates,
        source.continues and user_last,
        source.wishes.own_stops,
        source.wishes.single_line,
    )
    return stop_strings(source.context, source.instruct, source.names, wishes, source.expand)


_MACRO = re.compile(r"\{\{.*?\}\}")


def sequence_marks(instruct: Instruct | None) -> tuple[str, ...]:
    """What the template puts around turns and story; around a macro the parts that stay as they are."""
    if instruct is None:
        return ()
    names = [
        field.name for field in fields(Instruct) if field.name.endswith(("_sequence", "_suffix", "_prefix"))
    ]
    parts = [part.strip() for name in names for part in _MACRO.split(getattr(instruct, name))]
    return tuple(dict.fromkeys(part for part in parts if part))
