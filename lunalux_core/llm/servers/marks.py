"""How models mark their thinking in their text: pairs of marks, by family of models, as data.

Whoever knows a model with other marks sets them with its configuration; they then count beside these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache


@dataclass(frozen=True, slots=True)
class Pair:
    """The marks around a thought, matched in any case. With `loose`, the closing mark alone, without an
    opening one before it, means that all before it was thought: templates often write the opening one into
    the prompt."""

    opening: str
    closing: str
    loose: bool = True


PAIRS: tuple[Pair, ...] = (
    Pair("<think>", "</think>"),  # DeepSeek, Qwen, GLM, MiniMax and most others
    Pair("<thinking>", "</thinking>"),
    # EXAONE, Gemini's compatible interface; presets ask for the same tag around what a character thinks
    Pair("<thought>", "</thought>", loose=False),
    Pair("<reasoning>", "</reasoning>", loose=False),
    Pair("[THINK]", "[/THINK]"),  # Magistral
    Pair("<seed:think>", "</seed:think>"),
    Pair("◁think▷", "◁/think▷"),  # Kimi
    Pair("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    Pair("<|begin_of_thought|>", "<|end_of_thought|>"),
    Pair("<|channel>thought", "<channel|>"),  # Gemma
    Pair("<unused94>thought", "<unused95>"),  # MedGemma
    Pair("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    Pair("<longcat_think>", "</longcat_think>"),
    Pair("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),  # Apriel
    Pair("<|channel|>analysis<|message|>", "<|end|>", loose=False),  # gpt-oss
    Pair("<|start|>assistant<|channel|>analysis<|message|>", "<|end|>", loose=False),
    Pair("<|channel|>commentary<|message|>", "<|end|>", loose=False),
    Pair("<|start|>assistant<|channel|>commentary<|message|>", "<|end|>", loose=False),
)

WORDED: tuple[Pair, ...] = (
    # gpt-oss, where the server drops the special tokens and keeps the words between them
    Pair("analysis", "assistantfinal"),
)
"""Pairs whose opening is a word that a story may begin with, too: the closing mark decides, if one comes."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A mark that begins the answer itself, and the one that ends it; neither is part of it. With `until`,
    the mark goes on to there. With `after_thought`, it counts only right behind a thought: by itself a story
    may begin with it."""

    mark: str
    tail: str
    until: str = ""
    after_thought: bool = False


LEADS: tuple[Lead, ...] = (
    # gpt-oss; it may name the form of the answer before the last mark
    Lead("<|start|>assistant<|channel|>final", "<|return|>", until="<|message|>"),
    Lead("<|channel|>final", "<|return|>", until="<|message|>"),
    Lead("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    Lead("<|begin_of_solution|>", "<|end_of_solution|>"),
    Lead("[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"),
    Lead("<response>", "</response>", after_thought=True),  # Granite
    Lead("<answer>", "</answer>", after_thought=True),  # Hunyuan
)

_MIXED = ("</thinking>", "</think>")
"""Models open with one of these tags and close with the other."""

LONGEST = 80
"""Characters, more than any mark has; a person's own are held to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """All that is known of the marks of one model, ready to search with; `marks` makes one of each."""

    openings: tuple[tuple[str, tuple[str, ...]], ...]
    """An opening mark and those that may close it, lower-cased, longest opening first."""
    leads: tuple[Lead, ...]
    """Lower-cased but for their tails."""
    loose: re.Pattern[str]
    """Finds a closing mark that may stand alone."""
    loose_marks: tuple[str, ...]
    tails: dict[str, str]
    """What ends the answer behind such a closing mark, where it is a lead, too."""
    begin: re.Pattern[str]
    """Finds a character that one of those begins with."""
    longest: int


@cache
def marks(own: tuple[str, ...] = ()) -> Marks:
    """The marks in use; `own` is a person's pair, or empty."""
    pairs: Sequence[Pair] = PAIRS
    if len(own) == 2 and all(mark.strip() for mark in own):
        pairs = (Pair(own[0].strip()[:LONGEST], own[1].strip()[:LONGEST]), *PAIRS)
    leads = tuple(replace(lead, mark=lead.mark.lower()) for lead in LEADS)
    openings = dict[str, tuple[str, ...]]()
    for pair in pairs:
        closing = pair.closing.lower()
        closings: tuple[str, ...] = _MIXED if closing in _MIXED else (closing,)
        if pair.opening.startswith(
            "<|"
        ):  # such models may go over to the answer without an end of the thought
            closings += tuple(lead.mark for lead in leads if not lead.after_thought)
        openings.setdefault(pair.opening.lower(), closings)
    loose = tuple(dict.fromkeys(pair.closing.lower() for pair in pairs if pair.loose))
    return Marks(
        tuple(sorted(openings.items(), key=lambda pair: -len(pair[0]))),
        leads,
        re.compile("|".join(map(re.escape, sorted(loose, key=len, reverse=True))), re.IGNORECASE),
        loose,
        {lead.mark: lead.tail.lower() for lead in leads if lead.mark in loose},
        re.compile("|".join({re.escape(mark[0]) for mark in loose}), re.IGNORECASE),
        max(map(len, loose)),
    )
