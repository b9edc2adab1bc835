"""What went wrong at a model server, as one sentence with a code, and what to do about it.

Servers agree on little: the same fault comes as a status, a code word, or prose inside a 200. `refusal`
weighs all three. Texts of the server are cleaned, shortened, and stripped of anything that looks like a
key before they become part of a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lunalux_core.errors import LunaluxError, NetworkError, ProviderError
from lunalux_core.llm.model import Finish
from lunalux_core.llm.servers.reports import ServerReport
from lunalux_core.text import clean_line

DETAIL_CHARS = 200
DETAIL_BEGIN = 60
"""Of a longer text of a server so much of the beginning is kept, and the rest of the room is for its end: a
template's error quotes the template first and gives the reason last."""
RETRIABLE = frozenset({"MODEL_RATE_LIMITED", "MODEL_SERVER_ERROR", "MODEL_UNREACHABLE", "MODEL_STREAM_CUT"})
"""Codes after which the same call may succeed, as long as nothing of the reply has been shown."""

_KEYLIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|key)[-_][\w*.-]{6,}|\bAIza[\w*-]{8,}|(?<=Bearer )\S+", re.I)

# Searched in the lower-cased code words and message together, in this order.
_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "CONTEXT_TOO_LONG",
        re.compile(
            r"context[_ ](length|size|window|overflow)|(prompt|input|request)( is)? too (long|large)"
            r"|too many (input )?tokens|reduce the length|maximum number of tokens|n_ctx"
            r"|token count.{0,40}exceeds|exceed(s|ed|ing)?.{0,40}context|max_model_len|max_seq_len"
            r"|(length|tokens).{0,40}(greater|longer|more|larger) than.{0,30}(max|limit|allowed|context)"
            r"|context.{0,20}overflow|range of input length|max(imum)? context"
            r"|max(imum)? (prompt|input|model|sequence) length|(model|context|prompt|input) token limit"
            r"|\btoken limit exceeded|max_(prompt|input)_tokens.{0,20}exceed|input length too long"
            r"|(input|prompt) tokens exceed"
            r"|inputs?`? (tokens \+|must have)|token count.{0,60}(up to|limit of)"
            r"|(prompt|input|messages?|(?<!_)tokens)\b[^.'\"\]]{0,40}exceeds? (the )?max(imum)?"
            r"( (of|length|message)|.{0,20}token)"
            r"|prompt has.{0,60}(only|up to|at most).{0,20}\d"
            r"|(输入|提示词?|上下文).{0,12}(过长|太长|超出|超过)|超(过|出).{0,12}最大.{0,6}长度"
        ),
    ),
    (
        "MODEL_QUOTA",
        re.compile(
            r"insufficient[_ ](quota|balance|credit|funds)|credit balance|billing[_ ](hard|not)"
            r"|balance.{0,20}(insufficient|too low|not enough|exhausted|used up)"
            r"|more credits|out of credits|(n't|not) have (any|enough|sufficient) credits?\b|\bno credits\b"
            r"|(included|monthly).{0,20} credits|key limit exceeded"
            r"|(specified|monthly) (api )?(usage|spend\w*) (limit|cap)|spend(ing)? (limit|cap)"
            r"|overdue.{0,20}(balance|payment|bill|invoice)|(balance|payment|account|bill).{0,20}overdue"
            r"|arrearage|余额不足|余额已|欠费|额度(不足|已用)"
        ),
    ),
    ("MODEL_DAILY_LIMIT", re.compile(r"per[-_ ]?day|daily (limit|quota)|requests? a day")),
    (
        "MODEL_REGION",
        re.compile(
            r"unavailable for legal reasons|unsupported_country"
            r"|(country|region|location|territory).{0,40}not (supported|available)"
            r"|not available in your (country|region)"
        ),
    ),
    (
        "MODEL_KEY_REJECTED",
        re.compile(
            r"api[_ ]key[_ ](not valid|invalid|expired)"
            r"|(invalid|incorrect|missing|wrong)[_ ](api[_ ]?key|token)"
            r"|invalid_?auth|authentication_error|unauthenticated|no auth credentials|invalid_?api_?key"
            r"|login fail|api.?key.{0,20}(invalid|incorrect|expired)|令牌|密钥.{0,6}(无效|错误|不正确)"
        ),
    ),
    (
        "MODEL_BLOCKED",
        re.compile(
            r"content[_ ](filter|policy|management|exists risk)|moderation|flagged|prohibited_content"
            r"|data_?inspection_?failed|inappropriate content|sensitive[_ ](words?|content)"
            r"|violat\w*.{0,40}(guideline|polic|terms|safety)|responsible_?ai"
            r"|敏感(内容|信息|词)|不安全.{0,6}敏感|内容.{0,6}(违规|风险)|违反.{0,12}(规定|政策|法规)"
        ),
    ),
    (
        "MODEL_RATE_LIMITED",
        re.compile(r"rate[_ -]?limit|too many requests|resource_exhausted|slow down|请求过于频繁"),
    ),
    (
        "MODEL_NOT_AVAILABLE",
        re.compile(
            r"model_not_found|no such model|unknown model|invalid model|not a valid model|no endpoints found"
            r"|models?\b.{0,100}(not found|does not exist|not supported|not exist)|not found.{0,40}model"
            r"|model_(decommissioned|deprecated|retired)"
            r"|models?\b.{0,100}(decommissioned|no longer (available|supported|served))"
            r"|models?\b.{0,100}\b(is|was|been) (now )?(deprecated|retired|removed|discontinued|shut ?down)"
            r"|模型.{0,12}(不存在|已下线|已停用|已弃用)"
        ),
    ),
    (
        "MODEL_TEMPLATE",
        re.compile(
            r"jinja|raise_exception|chat[_ ]template|roles? must alternate|template.{0,20}(error|exception)"
        ),
    ),
    (
        "MODEL_SERVER_ERROR",
        re.compile(
            r"overloaded|server[_ ]error|internal error|unavailable|bad gateway|network (failure|error)"
            r"|high traffic|out of memory|(over|at|no|insufficient)[_ ]?capacity|capacity (exceeded|reached)"
            r"|\b(is|are|still|currently) (loading|being loaded|starting up|warming up|busy)\b"
            r"|(服务|系统|引擎|模型).{0,4}(繁忙|过载|加载中)"
        ),
    ),
)
_PER_TIME = re.compile(r"per[-_ ]?(second|minute|hour)|\b[tr]pm\b|rate[_ -]?limit|too many requests")
# What routers of web frameworks say of an address that they do not serve.
_NOTHING_THERE = re.compile(
    r"(404 ?)?((page|path|route|url|resource|method)? ?not (found|allowed)\.?)?|no route.{0,60}"
    r"|(not found: )?(cannot (post|get)|no (static )?resource|no handler|route) .{0,120}"
)
_BY_STATUS = {
    401: "MODEL_KEY_REJECTED",
    402: "MODEL_QUOTA",
    403: "MODEL_KEY_REJECTED",
    404: "MODEL_NOT_AVAILABLE",
    408: "MODEL_SERVER_ERROR",
    409: "MODEL_SERVER_ERROR",
    410: "MODEL_NOT_AVAILABLE",
    413: "CONTEXT_TOO_LONG",
    424: "MODEL_SERVER_ERROR",
    425: "MODEL_SERVER_ERROR",
    429: "MODEL_RATE_LIMITED",
    451: "MODEL_REGION",
    498: "MODEL_SERVER_ERROR",
}
"""What a status means by itself. Of those below 500 that pass, 409, 424, 425 and 498 are how servers say that
a model is loading, an engine busy, or no room left."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Makes the errors of one call. `server` is its host; `secret` is removed from every text."""

    server: str
    model: str
    secret: str = field(default="", repr=False)

    def clean(self, text: str) -> str:
        """One harmless line without keys; of a text longer than 200 characters its beginning and its end."""
        if len(self.secret) >= 4:
            text = text.replace(self.secret, "[key]")
        text = _bounded(text)
        line = clean_line(_KEYLIKE.sub("[key]", text), len(text) + 1)
        if len(line) <= DETAIL_CHARS:
            return line
        return f"{line[:DETAIL_BEGIN].rstrip()} … {line[DETAIL_BEGIN - DETAIL_CHARS + 3 :].lstrip()}"

    def unreachable(self, reason: str, kind: str = "", name: str = "") -> NetworkError:
        """Nothing came through; `kind` is what stood in the way (`network.Obstacle`), `name` its name."""
        message, hint = _OBSTACLES[kind]
        place = self.clean(name)
        # These do not go away by trying again, so nothing retries them.
        lasting = kind in {"certificate", "tls"}
        return NetworkError(
            "MODEL_UNREACHABLE",
            message.format(server=self.server, name=place),
            hint.format(server=self.server, name=place),
            server=self.server,
            detail=self.clean(reason),
            name=place,
            **({"kind": kind} if kind else {}),
            **({"lasting": True} if lasting else {}),
        )

    def redirected(self, target: str) -> ProviderError:
        """The server sends the call elsewhere, where it is not followed."""
        place = self.clean(target.partition("?")[0])
        return ProviderError(
            "MODEL_REDIRECTED",
            f"{self.server} sends the request on to {place}.",
            "If that is your model server, make it the address (base URL); else a login page is in the way.",
            server=self.server,
            target=place,
        )

    def timed_out(self, seconds: float) -> NetworkError:
        return NetworkError(
            "MODEL_TIMEOUT",
            f"The model server {self.server} sent nothing for {seconds:g} seconds.",
            "Try again; for a slow server, allow more with `lunalux model add … --timeout SECONDS`.",
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
            "Check the address (base URL); it usually ends with /v1.",
            server=self.server,
            detail=detail,
            **({"kind": "said"} if detail else {}),
        )

    def empty(self, finish: Finish, word: str = "", *, only_thinking: bool = False) -> ProviderError:
        """A reply without a word. `finish` tells why it ended, `word` is what its server called that."""
        kind = {"length": "length", "tool": "tool", "cut": "cut"}.get(finish, "")
        if kind == "cut" and word:
            kind = "word"
        message, hint = _EMPTY[kind]
        detail = self.clean(word)
        return ProviderError(
            "MODEL_EMPTY_REPLY",
            message.format(model=self.model, word=detail),
            hint,
            model=self.model,
            only_thinking=only_thinking,
            word=detail,
            **({"kind": kind} if kind else {}),
        )

    def blocked(self, reason: str) -> ProviderError:
        return self._refused("MODEL_BLOCKED", ServerReport(reason))

    def refusal(self, report: ServerReport) -> LunaluxError:
        """The error for what a server reported, in a status, in a body or inside a stream."""
        text = _bounded(f"{report.words} {report.message}".lower())
        code = next((code for code, sign in _SIGNS if sign.search(text)), "")
        by_status = _BY_STATUS.get(report.status or 0, "")
        # Servers send 429 for an empty account, 400 for a long prompt: the words are truer than the status.
        stands = {"MODEL_QUOTA", "MODEL_DAILY_LIMIT", "CONTEXT_TOO_LONG"}
        # On a 429 words such as "model", "key" or "tokens" only name what is limited.
        if report.status == 429 and _PER_TIME.search(text):
            stands.discard("CONTEXT_TOO_LONG")
        if report.status != 429:
            stands |= {"MODEL_KEY_REJECTED", "MODEL_BLOCKED", "MODEL_NOT_AVAILABLE", "MODEL_REGION"}
        if by_status and code not in stands:
            code = by_status
        elif not code:
            code = "MODEL_SERVER_ERROR" if (report.status or 0) >= 500 else "MODEL_REFUSED"
        return self._refused(self._weighed(code, report), report)

    def _weighed(self, code: str, report: ServerReport) -> str:
        """The code where a status alone accuses wrongly: a page that stands before the server says nothing of
        the key, and an address where nothing is says nothing of the model."""
        if report.status == 403 and report.page:
            return "MODEL_GATE"
        # No key was sent, so none was rejected.
        if report.status == 403 and code == "MODEL_KEY_REJECTED" and not self.secret:
            return "MODEL_REFUSED"
        nothing = report.page or _NOTHING_THERE.fullmatch(report.message.strip().lower())
        return "MODEL_PATH" if report.status == 405 or (report.status == 404 and nothing) else code

    def _refused(self, code: str, report: ServerReport) -> ProviderError:
        detail = self.clean(report.message)
        sentence, hint = _SENTENCES[code]
        params: dict[str, object] = {"server": self.server, "model": self.model, "detail": detail}
        # Both: the sentence says what to think of it, the server's words what exactly it was.
        if detail:
            params["kind"] = "said"
        # One code for front ends and scripts, another sentence for the person.
        if code == "MODEL_DAILY_LIMIT":
            code, params["kind"] = "MODEL_QUOTA", "day"
        if code == "CONTEXT_TOO_LONG":
            params |= {name: value for name, value in report.named._asdict().items() if value}
        if report.status is not None:
            params["status"] = report.status
        if code == "MODEL_RATE_LIMITED" or (code == "MODEL_SERVER_ERROR" and report.wait_seconds):
            params["seconds"] = report.wait_seconds
            if report.wait_seconds:
                hint = f"Try again in {report.wait_seconds:g} seconds."
                params["kind"] = "wait_said" if detail else "wait"
        message = sentence.format(server=self.server, model=self.model)
        if detail:
            message = f"{message.removesuffix('.')}: {detail}"
        return ProviderError(code, message, hint, **params)


def _bounded(text: str) -> str:
    """Beginning and end of a long text, for the patterns: some servers answer with megabytes of a trace."""
    return text if len(text) <= 8000 else f"{text[:4000]} {text[-4000:]}"


_OBSTACLES = {
    "": (
        "The model server {server} cannot be reached.",
        "Check that it runs, the address (base URL) and your network.",
    ),
    "closed": (
        "{server} closed the connection before it answered.",
        "See whether the model server still runs and what it logged; then try again.",
    ),
    "refused": (
        "Nothing listens at {server}: the connection was refused.",
        "Start the model server, or correct host and port of the address (base URL).",
    ),
    "dns": (
        "The name of the model server {server} cannot be found.",
        "Check the spelling of the address (base URL), and your network.",
    ),
    "certificate": (
        "The certificate of {server} is not trusted: {name}.",
        "For a server of your own, name its certificate file in SSL_CERT_FILE, or use its http:// address.",
    ),
    "tls": (
        "{server} and Lunalux do not agree on encryption: one speaks https, the other http.",
        "Change https:// to http:// in the address (base URL), or the other way round, and check the port.",
    ),
    "proxy": (
        "The proxy {name} does not let the request through to {server}.",
        "Start or correct the proxy, or name the server in NO_PROXY.",
    ),
}
_EMPTY = {
    "": ("The model {model} sent an empty reply.", "Try again, or choose another model."),
    "length": (
        "The model {model} used up its reply tokens before it said a word.",
        "Allow more reply tokens, ask for less thinking, or choose another model.",
    ),
    "tool": (
        "The model {model} called a tool instead of answering.",
        "Try again, or choose a model that is made for conversation.",
    ),
    "cut": (
        "The model {model} ended without a word and without saying why.",
        "Try again, or choose another model.",
    ),
    "word": (
        "The model {model} ended without a word: {word}.",
        "Try again, or choose another model.",
    ),
}
_SENTENCES = {
    "MODEL_DAILY_LIMIT": (
        "The day's quota at {server} is used up.",
        "It comes back within a day; until then choose another model, or pay for more at the provider.",
    ),
    "MODEL_REGION": (
        "{server} does not serve the country or region that you call from.",
        "Choose another provider, or a server that may be used from there.",
    ),
    "MODEL_GATE": (
        "A web page stands before {server} and lets no program through.",
        "Check the address (base URL); a bot check, a login or a firewall answers in its place.",
    ),
    "MODEL_PATH": (
        "{server} has no chat completions at this address.",
        "Check the address (base URL); it usually ends with /v1.",
    ),
    "MODEL_TEMPLATE": (
        "The chat template of {server} does not take these messages.",
        "Try `--post-process strict` or `single` for this model, or another preset.",
    ),
    "MODEL_KEY_REJECTED": (
        "{server} does not accept the key.",
        "Set a valid key for this model in the settings.",
    ),
    "MODEL_NOT_AVAILABLE": (
        "{server} has no model {model}.",
        "Choose a model from the server's list, or check the address (base URL).",
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
