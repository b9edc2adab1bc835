"""What went wrong at a model server, as one sentence with a code, and what to do about it.

Servers agree on little: the same fault comes as a status, a code word, or prose inside a 200. `refusal`
weighs all three. Texts of the server are cleaned, shortened, and stripped of anything that looks like a
key before they become part of a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lunalux_core.errors import LunaluxError, NetworkError, ProviderError
from lunalux_core.llm.reports import ServerReport
from lunalux_core.text import clean_line

DETAIL_CHARS = 200
RETRIABLE = frozenset({"MODEL_RATE_LIMITED", "MODEL_SERVER_ERROR", "MODEL_UNREACHABLE", "MODEL_STREAM_CUT"})
"""Codes after which the same call may succeed, as long as nothing of the reply has been shown."""

_KEYLIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|key)[-_][\w*.-]{6,}|\bAIza[\w*-]{8,}|(?<=Bearer )\S+", re.I)

# Searched in the lower-cased code words and message together, in this order.
_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "CONTEXT_TOO_LONG",
        re.compile(
            r"context[_ ](length|size|window|overflow)|prompt (is )?too long|input (is )?too long"
            r"|too many (input )?tokens|reduce the length|maximum number of tokens|n_ctx"
            r"|token count.{0,40}exceeds|exceeds?.{0,40}context|max_model_len"
        ),
    ),
    (
        "MODEL_QUOTA",
        re.compile(
            r"insufficient[_ ](quota|balance|credit|funds)|credit balance|billing[_ ](hard|not)"
            r"|more credits|out of credits|perday"
        ),
    ),
    (
        "MODEL_KEY_REJECTED",
        re.compile(
            r"api[_ ]key[_ ](not valid|invalid|expired)"
            r"|(invalid|incorrect|missing|wrong)[_ ](api[_ ]?key|token)"
            r"|invalid_auth|authentication_error|unauthenticated|no auth credentials"
        ),
    ),
    (
        "MODEL_BLOCKED",
        re.compile(r"content[_ ](filter|policy|management)|moderation|flagged|prohibited_content"),
    ),
    ("MODEL_RATE_LIMITED", re.compile(r"rate[_ -]?limit|too many requests|resource_exhausted|slow down")),
    (
        "MODEL_NOT_AVAILABLE",
        re.compile(
            r"model_not_found|no such model|unknown model|invalid model|not a valid model|no endpoints found"
            r"|models?\b.{0,100}(not found|does not exist|not supported|not exist)|not found.{0,40}model"
        ),
    ),
    ("MODEL_SERVER_ERROR", re.compile(r"overloaded|server[_ ]error|internal error|unavailable|bad gateway")),
)
_BY_STATUS = {
    401: "MODEL_KEY_REJECTED",
    402: "MODEL_QUOTA",
    403: "MODEL_KEY_REJECTED",
    404: "MODEL_NOT_AVAILABLE",
    408: "MODEL_SERVER_ERROR",
    413: "CONTEXT_TOO_LONG",
    429: "MODEL_RATE_LIMITED",
}


@dataclass(frozen=True, slots=True)
class Failures:
    """Makes the errors of one call. `server` is its host; `secret` is removed from every text."""

    server: str
    model: str
    secret: str = field(default="", repr=False)

    def clean(self, text: str) -> str:
        """One harmless line of at most 200 characters, without keys."""
        if len(self.secret) >= 4:
            text = text.replace(self.secret, "[key]")
        return clean_line(_KEYLIKE.sub("[key]", text[:4000]), DETAIL_CHARS)

    def unreachable(self, reason: str) -> NetworkError:
        return NetworkError(
            "MODEL_UNREACHABLE",
            f"The model server {self.server} cannot be reached.",
            "Check that it runs, the base URL and your network.",
            server=self.server,
            detail=self.clean(reason),
        )

    def timed_out(self, seconds: float) -> NetworkError:
        return NetworkError(
            "MODEL_TIMEOUT",
            f"The model server {self.server} sent nothing for {seconds:g} seconds.",
            "Try again; a local model may need longer for its first reply.",
            server=self.server,
            seconds=seconds,
        )

    def cut(self, reason: str) -> NetworkError:
        return NetworkError(
            "MODEL_STREAM_CUT",
            f"The connection to {self.server} broke before the reply was complete.",
            "Continue the reply, or regenerate it.",
            server=self.server,
            detail=self.clean(reason),
        )

    def bad_answer(self, reason: str) -> ProviderError:
        detail = self.clean(reason)
        return ProviderError(
            "MODEL_BAD_ANSWER",
            f"{self.server} did not answer like a model server{f': {detail}' if detail else ''}.",
            "Check the base URL; it usually ends with /v1.",
            server=self.server,
            detail=detail,
        )

    def empty(self, only_thinking: bool) -> ProviderError:
        hint = "Try again, or choose another model."
        if only_thinking:
            hint = "The model only thought: allow more reply tokens, or choose another model."
        return ProviderError(
            "MODEL_EMPTY_REPLY",
            f"The model {self.model} sent an empty reply.",
            hint,
            model=self.model,
            only_thinking=only_thinking,
        )

    def blocked(self, reason: str) -> ProviderError:
        return self._refused("MODEL_BLOCKED", ServerReport(reason))

    def refusal(self, report: ServerReport) -> LunaluxError:
        """The error for what a server reported, in a status, in a body or inside a stream."""
        text = f"{report.words} {report.message}".lower()
        code = next((code for code, sign in _SIGNS if sign.search(text)), "")
        by_status = _BY_STATUS.get(report.status or 0, "")
        stands = {"MODEL_QUOTA", "CONTEXT_TOO_LONG"}
        if report.status != 429:
            stands |= {"MODEL_KEY_REJECTED", "MODEL_BLOCKED", "MODEL_NOT_AVAILABLE"}
        if by_status and code not in stands:
            code = by_status
        elif not code:
            code = "MODEL_SERVER_ERROR" if (report.status or 0) >= 500 else "MODEL_REFUSED"
        return self._refused(code, report)

    def _refused(self, code: str, report: ServerReport) -> ProviderError:
        detail = self.clean(report.message)
        sentence, hint = _SENTENCES[code]
        params: dict[str, object] = {"server": self.server, "model": self.model, "detail": detail}
        if report.status is not None:
            params["status"] = report.status
        if code == "MODEL_RATE_LIMITED":
            params["seconds"] = report.wait_seconds
            if report.wait_seconds:
                hint = f"Try again in {report.wait_seconds:g} seconds."
        message = sentence.format(server=self.server, model=self.model)
        if detail:
            message = f"{message.removesuffix('.')}: {detail}"
        return ProviderError(code, message, hint, **params)


_SENTENCES = {
    "MODEL_KEY_REJECTED": (
        "{server} does not accept the key.",
        "Set a valid key for this model in the settings.",
    ),
    "MODEL_NOT_AVAILABLE": (
        "{server} has no model {model}.",
        "Choose a model from the server's list, or check the base URL.",
    ),
    "CONTEXT_TOO_LONG": (
        "The conversation is too long for {model}.",
        "Lower the context size in the settings, or choose a model with a larger one.",
    ),
    "MODEL_RATE_LIMITED": ("{server} asks to slow down.", "Wait a little and try again."),
    "MODEL_QUOTA": (
        "The account at {server} has no credit left.",
        "Top it up at the provider, or choose another model.",
    ),
    "MODEL_SERVER_ERROR": ("{server} has a problem of its own.", "Try again in a moment."),
    "MODEL_BLOCKED": (
        "{server} blocked this reply for its content.",
        "Change the last message, or choose another model.",
    ),
    "MODEL_REFUSED": ("{server} refused the request.", "Check the model and its sampling parameters."),
}
