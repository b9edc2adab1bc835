"""The window that a refusal names, and how long the prompt was by the server's count.

Every server has its own sentence. Patterns are tried in order, the most particular first; what they find must
be plausible, or nothing was named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from lunalux_core.llm.servers.facts import whole

LEAST_WINDOW = 64
"""Tokens; a number below is a count of something else."""

_N = r"(?<![\d.,])(?<!by )(?<!exceeds limit \()(?P<window>\d[\d,]{1,12})(?![.,]?\d)"
"""Not the rest of a number, not by how much a prompt is too long, not the code that MiniMax ends with."""
_P = r"(?P<prompt>\d[\d,]{0,12})"
_IN = r"(?:messages|prompt|text|input)"
_SENTENCES = tuple(
    re.compile(pattern, re.I | re.S)
    for pattern in (
        # vLLM, which counts the prompt and the reply apart
        rf"maximum context length is {_N}.{{0,60}}request has {_P} input tokens",
        rf"maximum context length (?:is|of) {_N}.{{0,160}}?\({_P} (?:in|of|from) (?:the )?{_IN}",
        # OpenRouter, SGLang
        rf"maximum context length (?:is|of) {_N}.{{0,160}}?{_P} tokens (?:from|in) the (?:input )?messages",
        # OpenAI, DeepSeek, text-generation-webui
        rf"maximum context length (?:is|of) {_N}.{{0,80}}?{_IN} (?:resulted in|contains?|has|is) {_P}",
        rf"maximum context length (?:is|of) {_N}.{{0,80}}?{_IN} resulted in (?:over|about) {_P}",
        rf"configured limit of {_N}.{{0,60}}?resulted in {_P}",
        # vLLM of text, and newer
        rf"\(length {_P}\) is longer than the maximum model length of {_N}",
        rf"passed {_P} input tokens.{{0,80}}?context length is only {_N}",
        # Anthropic
        rf"prompt is too long: {_P} tokens > {_N}",
        rf"exceed context limit: {_P} \+ \d+ > {_N}",
        # xAI
        rf"maximum prompt length is {_N}.{{0,60}}?contains {_P}",
        # Gemini
        rf"token count \(?{_P}\)? exceeds the maximum number of tokens allowed \(?{_N}",
        rf"token count (?:is|of) {_P}.{{0,40}}?(?:supports up to|limit of) {_N}",
        # TabbyAPI
        rf"length {_P}(?: \+ \d+)? (?:is|was) (?:greater|longer) than (?:the )?max_seq_len \(?{_N}",
        # SGLang
        rf"input \({_P} tokens\) is longer than the model's context length \({_N}",
        # Mistral
        rf"contains {_P} tokens.{{0,60}}?too large for model with {_N}",
        # Cohere
        rf"cannot exceed {_N}.{{0,20}}?received {_P}",
        # llama.cpp in prose, older ones too
        rf"request \({_P} tokens\) exceeds the available context size \({_N}",
        # LM Studio
        rf"first {_P} tokens.{{0,120}}?context length of only {_N}",
        rf"n_keep: {_P}.{{0,20}}?n_ctx: {_N}",
        # TGI and Together
        rf"must be <= {_N}. Given: {_P}",
        rf"must have less than {_N} tokens. Given: {_P}",
        # Moonshot
        rf"model token limit: {_N}(?: \(requested: {_P}\))?",
        # DashScope
        rf"input length should be \[\d+, {_N}\]",
        # GitHub, Zhipu
        rf"max size: {_N} tokens",
        rf"(?:最大|上下文|限制)\D{{0,12}}{_N}",
        # anything else that names a limit
        rf"(?:n_ctx|max_model_len|max_seq_len|num_ctx)\D{{0,12}}{_N}",
        rf"(?:context (?:length|window|size|limit)|max(?:imum)? (?:context|tokens|input|number of tokens))"
        rf".{{0,40}}?{_N}",
        rf"{_N}(?:[- ]token)? (?:maximum )?(?:context|limit|maximum)",
    )
)
_NUMBER = re.compile(
    r"(?<![\d.,])(?<!by )\d{1,3}(?:,\d{3})+(?![.,]?\d)|(?<![\d.,])(?<!by )\d{2,9}(?![.,]?\d)"
)
_BOUND = re.compile(
    r"(?:max\w*|limit\w*|allow\w*|only|support\w*|up to|at most|than|window|context|<=?|>)\D{0,40}$",
    re.I,
)
"""What stands before a number that is a limit."""


class NamedWindow(NamedTuple):
    """Tokens; None where the refusal does not say."""

    window: int | None = None
    prompt: int | None = None


NOT_NAMED = NamedWindow()


def named_window(message: str, fields: Mapping[str, object]) -> NamedWindow:
    """What a refusal says of the window: in its `fields` (llama.cpp), else in its sentence."""
    window, prompt = whole(fields.get("n_ctx")), whole(fields.get("n_prompt_tokens"))
    if window:
        return NamedWindow(window, prompt)
    text = message[:4000]
    for sentence in _SENTENCES:
        match = sentence.search(text)
        if match is None:
            continue
        window = whole(match["window"].replace(",", ""))
        said = match.groupdict().get("prompt")
        if window and window >= LEAST_WINDOW:
            return NamedWindow(window, whole(said.replace(",", "")) if said else None)
    return _compared(text)


def _compared(text: str) -> NamedWindow:
    """Of a sentence nobody here has heard yet: two numbers are prompt and limit, the smaller the limit."""
    starts = {
        number: match.start()
        for match in reversed(list(_NUMBER.finditer(text)))
        if (number := int(match[0].replace(",", ""))) >= LEAST_WINDOW
    }
    if len(starts) != 2:
        return NOT_NAMED
    window, prompt = sorted(starts)
    return NamedWindow(window, prompt) if _BOUND.search(text[: starts[window]]) else NOT_NAMED
