"""What one event of a model server says, whatever dialect it speaks.

One place for all of them: OpenAI's chunks and whole answers, Gemini's candidates, Ollama's lines, llama.cpp's
and KoboldCpp's own, each alone or in the envelope of a gateway. `read_event` knows nothing of a stream: what
an event means after those before it is the decoder's business (`reply`).

A refusal may come with status 200, and every gateway puts its words elsewhere. What counts as one is decided
here; what it says is read in `reports`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.llm.model import Finish, Progress, Usage

ContentKind = Literal["text", "thinking"]

_ENVELOPES = ("data", "result", "response", "output")
_BESIDE = "x_groq"
"""Where Groq puts counts and failures of its own."""
_THINKING = (
    *("reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "thinking", "thinking_blocks"),
)
_THINKING_PARTS = ("thinking", "reasoning", "reasoning_text", "reasoning_content", "thought", "summary_text")
"""The types of parts that are thought."""
_GOOD_CODES = frozenset({"", "0", "200", "201", "ok", "success", "succeeded", "none", "null", "false"})
_CODES = ("code", "error_code", "errcode", "err_code", "status_code")
_ERROR_WORDS = ("error_message", "error_msg", "errmsg", "errorMessage", "err_msg", "errors", "detail")
_ERRORS = ("Error", "ERROR", "err")
"""Other names of `error`."""
_FAILED = frozenset(("error", "fail", "failed", "failure"))
"""What a `status` says of an answer that is none."""
_PASSING = re.compile(
    r"ping|keep|heartbeat|progress|status|info|warn|queue|wait|start|load|process|chunk", re.I
)
"""How an event calls itself that has something to tell and refuses nothing."""

_FINISH: tuple[tuple[Finish, re.Pattern[str]], ...] = (
    (
        "stop",
        re.compile(
            r"stop(sequences?|tokens?|words?|strings?|ped(eos|word)?)?|eos(token)?(id)?|eot(id)?|imend"
            r"|end(of)?(turn|text|sequence|message)?|completed?|finish(ed)?|done|normal"
        ),
    ),
    ("length", re.compile(r"length|limit|max_|_max|context|token")),
    (
        "filtered",
        re.compile(
            r"filter|safety|sensitiv|recitation|blocklist|block|prohibit|spii|language|refus|moderat|policy"
            r"|guardrail|censor|model_armor"
        ),
    ),
    ("tool", re.compile(r"tool|function")),
)
"""Servers' words for why a reply ended; the first must be the whole word, of which only letters are compared,
of the others a part is enough."""

_MESSAGES = frozenset(
    (
        *("message", "message_start", "message_delta", "message_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    )
)
"""The types of the events of Anthropic's Messages, without those that all protocols share."""

_TEXTS = ("text", "summary", "content", "value", "refusal")
"""Fields of a part that hold its text; a model's own words of refusal are text, no error of the server."""
_THOUGHTS = ("thinking", "reasoning", *_TEXTS)
"""The same of a part that is thought."""
DEEPEST_TEXT = 6
"""Steps from a field to its text: a hostile nest must not be followed."""

_PIECE = re.compile(r"(text|content|refusal|reasoning)[\w.]*[.-]delta$|^text-generation$")
"""Types of events that are a piece of the reply; of a tool's arguments there are pieces, too."""
_ENDS = {"response.completed": "stop", "response.incomplete": "length"}

_FINISHES = ("finish_reason", "finishReason")
_FINISH_WORDS = ("type", "reason", "name", "value")
"""Where the word stands if a reason to finish is an object."""
_NO_LETTER = re.compile(r"[^a-z]+")
_PROMPT_COUNTS = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
_REPLY_COUNTS = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens")

MOST_TOKENS = 1_000_000_000
"""A count beyond this is none."""

_BUSY = re.compile(r"insufficient_system|network_error|overload|busy|abort|cancel|timeout|unavailable")


@dataclass(slots=True)
class EventContent:
    """One event, understood. `parts` in the order in which they are to be told.

    `whole`: the parts are a message as a whole, not a piece of one. `finish` is the server's word for why the
    reply ended; with `over` nothing more will come. `timed`: it has the times that llama.cpp tells.
    `refusal` is what `reports.read_report` reads. `blocked` tells why the prompt was refused. `notice` is
    what the server says beside the reply, such as that it waits.
    """

    parts: list[tuple[ContentKind, str]] = field(default_factory=list)
    whole: bool = False
    finish: str = ""
    usage: Usage | None = None
    over: bool = False
    timed: bool = False
    refusal: object = None
    blocked: str = ""
    notice: str = ""
    progress: Progress | None = None


def finish_of(word: str) -> Finish:
    """What a server's word for the end of a reply means; an unknown one is not an end in good order."""
    low = word.lower()
    if _FINISH[0][1].fullmatch(_NO_LETTER.sub("", low)):
        return "stop"
    return next((finish for finish, sign in _FINISH[1:] if sign.search(low)), "cut")


def is_busy(word: str) -> bool:
    """Whether a reply ended because its server was short of something: another attempt may succeed."""
    return bool(_BUSY.search(word.lower()))


def read_event(event: object) -> EventContent:
    """What a parsed event says. Anything that is no event says nothing."""
    said = EventContent()
    if isinstance(event, dict):
        _read(said, event, 0)
    return said


def _read(said: EventContent, event: dict[str, Any], depth: int) -> None:
    choices = event.get("choices") or event.get("results")  # the latter is KoboldCpp's, of a whole text
    if _is_message(event):
        _message(said, event)
    elif isinstance(choices, list) and choices:
        _choice(said, event, choices)
    elif isinstance(candidates := event.get("candidates"), list) and candidates:
        _candidate(said, candidates)
    elif not _refused(event) and not _native(said, event) and depth < 2:
        for name in _ENVELOPES:
            if isinstance(inner := event.get(name), dict):
                _read(said, inner, depth + 1)
    if ((error := event.get("error")) and _means_error(error)) or (
        said.refusal is None and (not said.parts or "base_resp" in event) and _refused(event)
    ):
        said.refusal = _complaint(event)
    elif not said.parts and isinstance(notice := event.get("message") or event.get("msg"), str):
        said.notice = notice if _means_error(notice) else ""
    beside = event.get(_BESIDE)
    if isinstance(beside, dict):
        if (error := beside.get("error")) and _means_error(error):
            said.refusal = _failure(error)
        said.usage = read_usage(beside) or said.usage
    timings = event.get("timings")
    said.timed = isinstance(timings, dict) and "prompt_n" in timings
    if usage := read_usage(event):
        said.usage = usage
    said.progress = read_progress(event) or said.progress
    feedback = event.get("promptFeedback") or event.get("prompt_feedback")
    if isinstance(feedback, dict) and (reason := feedback.get("blockReason") or feedback.get("block_reason")):
        said.blocked = f"the prompt, {reason}"


# -- OpenAI ------------------------------------------------------------------------------------------


def _choice(said: EventContent, event: dict[str, Any], choices: list[Any]) -> None:
    for choice in _pieces(choices):
        said.finish = _reason(choice, *_FINISHES) or said.finish
        _words(said, event, choice)
        error = choice.get("error")
        if (error and _means_error(error)) or said.finish.lower() == "error":
            said.finish, said.refusal = "", _failure(error or "server error")
        if isinstance(usage := choice.get("usage"), dict):
            said.usage = _counted(usage, {})
        elif "completion_tokens" in choice:
            said.usage = _counted(choice, {})


def _words(said: EventContent, event: dict[str, Any], choice: dict[str, Any]) -> None:
    if delta := choice.get("delta"):
        _parts(said.parts, delta)
    if said.parts:
        return
    if message := choice.get("message"):
        _parts(said.parts, message)
        said.whole = bool(delta is not None or said.finish or event.get("object") == "chat.completion")
    else:
        _parts(said.parts, {**choice, "content": choice.get("text")})


def _failure(error: object) -> dict[str, object]:
    """The report of a failure that is told inside an answer: the server's own, unless it says otherwise."""
    told = error if isinstance(error, dict) else {"message": error}
    return {"error": {"code": 500, **{name: value for name, value in told.items() if value is not None}}}


def _first(choices: list[Any]) -> dict[str, Any] | None:
    """The reply: several choices were not asked for, and of those that come all the same it is the first."""
    return next(
        (choice for choice in choices if isinstance(choice, dict) and _is_first(choice.get("index"))), None
    )


def _pieces(choices: list[Any]) -> list[dict[str, Any]]:
    """The entries of an event that are the reply: one, as a rule. Some servers put several pieces of it into
    one event, some the same piece twice."""
    first = _first(choices)
    if first is None or len(choices) == 1 or "delta" not in first or first.get("index") != 0:
        return [] if first is None else [first]
    pieces: list[dict[str, Any]] = []
    for choice in choices:
        if isinstance(choice, dict) and choice.get("index") == 0 and choice not in pieces:
            pieces.append(choice)
    return pieces


def _is_first(index: object) -> bool:
    """Whether a choice is the reply: also where its server counts in texts, or below nothing."""
    if isinstance(index, str) and index.isdecimal():
        return int(index[:9]) == 0
    return not (isinstance(index, int) and index > 0)


def _is_none(reason: str) -> bool:
    """Whether a reason to finish is none: some servers write that out with every piece."""
    return reason.lower() in {"", "null", "none", "finish_reason_unspecified"}


def _parts(parts: list[tuple[ContentKind, str]], message: object) -> None:
    """The reasoning and the words of a `delta` or a `message`."""
    if isinstance(message, str):
        parts.append(("text", message))
        return
    if not isinstance(message, dict):
        return
    for name in _THINKING:
        # Servers that send several of them send the same text in each.
        if (value := message.get(name)) and (thinking := _text(value, _THOUGHTS)):
            parts.append(("thinking", thinking))
            break
    content = message.get("content")
    if isinstance(content, str):
        if content:
            parts.append(("text", content))
    elif isinstance(content, list):
        for item in content:
            thinks = isinstance(item, dict) and item.get("type") in _THINKING_PARTS
            if text := _text(item, _THOUGHTS if thinks else _TEXTS):
                parts.append(("thinking" if thinks else "text", text))
    elif text := _text(content):
        parts.append(("text", text))
    # The model's own words of refusal: they are the reply, and no error of the server.
    if not content and isinstance(refusal := message.get("refusal"), str) and refusal:
        parts.append(("text", refusal))


def _text(value: object, names: tuple[str, ...] = _TEXTS, steps: int = DEEPEST_TEXT) -> str:
    """The text of a field that is a string, a part with a field of text, or a list of such parts."""
    if isinstance(value, str):
        return value
    if not steps:
        return ""
    if isinstance(value, list):
        return "".join(_text(item, names, steps - 1) for item in value)
    if isinstance(value, dict):
        return next((text for name in names if (text := _text(value.get(name), names, steps - 1))), "")
    return ""


# -- Anthropic ---------------------------------------------------------------------------------------


def _is_message(event: dict[str, Any]) -> bool:
    kind = event.get("type")
    if kind == "message":
        return isinstance(event.get("content"), list)
    return isinstance(kind, str) and kind in _MESSAGES


def _message(said: EventContent, event: dict[str, Any]) -> None:
    """An event of Anthropic's Messages: a piece of a block, the end of the message, or all of it."""
    kind = event["type"]
    if kind == "message":
        for block in event["content"]:
            _block(said, block)
        said.whole = True
        _stopped(said, event)
    elif kind == "content_block_start":
        _block(said, event.get("content_block"))
    elif kind == "content_block_delta":
        _block(said, event.get("delta"))
    elif kind == "message_delta":
        _stopped(said, event.get("delta"))
    said.over = kind == "message_stop"


def _block(said: EventContent, block: object) -> None:
    """A block of a message, or a piece of one. Signatures and encrypted thoughts say nothing."""
    if not isinstance(block, dict):
        return
    if isinstance(thinking := block.get("thinking"), str) and thinking:
        said.parts.append(("thinking", thinking))
    elif isinstance(text := block.get("text"), str) and text:
        said.parts.append(("text", text))


def _stopped(said: EventContent, message: object) -> None:
    reason = message.get("stop_reason") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(reason, str) or not reason:
        return
    said.finish = reason
    details = message.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    if isinstance(explanation, str) and finish_of(reason) == "filtered":
        said.blocked = explanation


# -- the others --------------------------------------------------------------------------------------


def _candidate(said: EventContent, candidates: list[Any]) -> None:
    """Gemini's."""
    candidate = _first(candidates)
    if candidate is None:
        return
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    for part in parts if isinstance(parts, list) else ():
        text = part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str) and text:
            said.parts.append(("thinking" if part.get("thought") else "text", text))
    said.finish = _reason(candidate, *_FINISHES)


def _native(said: EventContent, event: dict[str, Any]) -> bool:
    """A local server's own protocol: Ollama's `message` and `response`, llama.cpp's `content`, KoboldCpp's
    `token`; or one of `_piece`. False: it is none of them."""
    if _piece(said, event):
        return True
    message = event.get("message")
    if isinstance(message, dict):
        _parts(said.parts, message)
    elif isinstance(text := event.get("response"), str) or isinstance(text := event.get("token"), str):
        _parts(said.parts, {"content": text, "thinking": event.get("thinking")})
    elif isinstance(text := event.get("content"), str):
        _parts(said.parts, {"content": text})
    elif not isinstance(event.get("done"), bool):
        return False
    if event.get("done") is True:
        said.finish = str(event.get("done_reason") or "stop")
    elif event.get("stop") is True:
        said.finish = "length" if event.get("stopped_limit") or event.get("stop_type") == "limit" else "stop"
    else:
        said.finish = _reason(event, *_FINISHES)
    return True


def _piece(said: EventContent, event: dict[str, Any]) -> bool:
    """A piece of OpenAI's Responses, of Cohere or of TGI. False: it is none, or has more to be read."""
    if isinstance(token := event.get("token"), dict):
        if not token.get("special") and (text := _text(token)):
            said.parts.append(("text", text))
        said.finish = _reason(event.get("details"), *_FINISHES)
        return True
    kind = event.get("type") or event.get("event_type")
    if not isinstance(kind, str):
        return False
    piece = event.get("delta") or event.get("text")
    if isinstance(piece, dict):
        said.finish, piece = _reason(piece, *_FINISHES), piece.get("message")
    if _PIECE.search(kind):
        if text := _text(piece):
            said.parts.append(("thinking" if "reasoning" in kind else "text", text))
        return True
    if kind in _ENDS and isinstance(whole := event.get("response"), dict):
        said.finish = _reason(whole.get("incomplete_details"), "reason") or _ENDS[kind]
    elif kind == "stream-end":
        said.finish = _reason(event, *_FINISHES)
    return False


def _reason(fields: object, *names: str) -> str:
    """The word for why a reply ended in the first of the fields that has one; else nothing."""
    if not isinstance(fields, dict):
        return ""
    for name in names:
        if value := fields.get(name):
            words = [value.get(key) for key in _FINISH_WORDS] if isinstance(value, dict) else [value]
            word = next((word for word in words if isinstance(word, str)), "")
            if not _is_none(word):
                return word
    return ""


def _refused(event: dict[str, Any]) -> bool:
    """Whether an event refuses, beside its key `error`."""
    base = event.get("base_resp")
    if isinstance(base, dict) and _bad_code(base.get("status_code")):
        return True
    if event.get("choices") or event.get("candidates"):
        return False
    if event.get("object") == "error" or event.get("type") == "error" or event.get("success") is False:
        return True
    if any((words := event.get(name)) and _means_error(words) for name in (*_ERROR_WORDS, *_ERRORS)):
        return True
    if str(event.get("status")).lower() in _FAILED:
        return True
    codes = [event[name] for name in _CODES if event.get(name) is not None]
    if any(_bad_code(code) for code in codes):
        return any(isinstance(event.get(name), str) for name in ("message", "msg", "text", "reason", *_CODES))
    says = any(isinstance(text := event.get(name), str) and text.strip() for name in ("message", "msg"))
    names = " ".join(str(event.get(name) or "") for name in ("type", "object", "status", "event"))
    return says and not codes and not _PASSING.search(names)


def _complaint(event: dict[str, Any]) -> dict[str, Any]:
    """A refusal with its words where `reports` looks for them."""
    if error := next((event[name] for name in _ERRORS if event.get(name)), None):
        return {**event, "error": error}
    if str(event.get("status")).lower() in _FAILED:
        words = next((text for name in _ENVELOPES if isinstance(text := event.get(name), str)), "")
        return {"message": words, **event} if words else event
    return event


def _means_error(error: object) -> bool:
    """Whether the value of `error` is one: some gateways send an empty one along with every event."""
    if isinstance(error, dict):
        # Only a good code says that nothing is wrong; most errors have an empty one.
        if (code := error.get("code")) not in (None, "") and not _bad_code(code):
            return False
        return any(error.values())
    return not (isinstance(error, str) and error.strip().lower() in _GOOD_CODES)


def _bad_code(code: object) -> bool:
    return str("" if code is None else code).strip().lower() not in _GOOD_CODES


def read_progress(event: Mapping[str, Any]) -> Progress | None:
    """How much of the prompt llama.cpp says it has read."""
    told = event.get("prompt_progress")
    total = _count(told, "total") if isinstance(told, dict) else 0
    return (
        Progress(min(_count(told, "processed"), total), total) if isinstance(told, dict) and total else None
    )


def read_usage(event: Mapping[str, Any]) -> Usage | None:
    """The counts of an event, None where it tells none."""
    begun = event.get("message") if event.get("type") == "message_start" else None
    usage = (begun if isinstance(begun, dict) else event).get("usage")
    timings = event.get("timings")
    if isinstance(usage, dict):
        return _counted(usage, timings if isinstance(timings, dict) else {})
    usage = event.get("usageMetadata") or event.get("usage_metadata")
    if isinstance(usage, dict):
        # Thoughts are billed as output but counted apart.
        thought = _count(usage, "thoughtsTokenCount", "thoughts_token_count")
        return Usage(
            _count(usage, "promptTokenCount", "prompt_token_count"),
            _count(usage, "candidatesTokenCount", "candidates_token_count") + thought,
            cached_tokens=_count(usage, "cachedContentTokenCount", "cached_content_token_count"),
            thinking_tokens=thought,
        )
    if "eval_count" in event or "prompt_eval_count" in event:
        return Usage(_count(event, "prompt_eval_count"), _count(event, "eval_count"))
    if "tokens_predicted" in event and event.get("stop") is True:  # llama.cpp, of a text
        read = _count(event, "tokens_evaluated")
        cached = _count(timings, "cache_n") if isinstance(timings, dict) else 0
        return Usage(read, _count(event, "tokens_predicted"), cached_tokens=min(cached, read))
    return None


def _counted(usage: dict[str, Any], timings: dict[str, Any]) -> Usage:
    """OpenAI's counts, with what others put beside them, and Anthropic's. `timings` are llama.cpp's."""
    prompt = _count(usage, *_PROMPT_COUNTS)
    read = _count(usage, "cache_read_input_tokens")
    if "prompt_tokens" not in usage:  # Anthropic counts apart what it reads from its cache, or puts there
        prompt += read + _count(usage, "cache_creation_input_tokens")
    details = _inside(usage, "prompt_tokens_details", "input_tokens_details")
    cached = (
        read
        or _count(details, "cached_tokens")
        or _count(usage, "prompt_cache_hit_tokens", "cached_tokens")
        or _count(timings, "cache_n")
    )
    details = _inside(usage, "completion_tokens_details", "output_tokens_details")
    thought = _count(details, "reasoning_tokens", "thinking_tokens") or _count(usage, "reasoning_tokens")
    return Usage(
        prompt,
        _count(usage, *_REPLY_COUNTS),
        cached_tokens=min(cached, prompt),
        thinking_tokens=thought,
        cost=_money(usage.get("cost")),
    )


def _money(value: object) -> float | None:
    """US dollars as OpenRouter tells them; None for anything that is no amount."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1_000_000:
        return None
    return float(value)


def _inside(usage: dict[str, Any], *names: str) -> dict[str, Any]:
    return next((value for name in names if isinstance(value := usage.get(name), dict)), {})


def _count(usage: Mapping[str, Any], *names: str) -> int:
    return next((count for name in names if (count := _tokens(usage.get(name))) is not None), 0)


def _tokens(value: object) -> int | None:
    """A number of tokens; None for anything that no prompt and no reply can have."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # some servers count in JavaScript
    elif isinstance(value, str) and value.isdecimal():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_TOKENS:
        return None
    return value
