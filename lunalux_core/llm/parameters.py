"""Every parameter of a request, declared once: what it is, what it may be, what each kind of server calls it.

The model form, `lunalux model add --param`, `lunalux chat --set`, the tables of config.toml, the reference
page and the JSON that is sent (`servers.request_fields`) are all drawn from this table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from lunalux_core.documents.prompt_values import Sampling
from lunalux_core.errors import InvalidInput, Names

ServerKind = Literal[
    "openai",
    "openrouter",
    "anthropic",
    "gemini",
    "llamacpp",
    "koboldcpp",
    "ollama",
    "tabby",
    "textgen",
    "vllm",
    "deepseek",
    "mistral",
    "generic",
]
KINDS: tuple[ServerKind, ...] = get_args(ServerKind)
PROVIDERS: tuple[ServerKind, ...] = KINDS[:-1]
"""What a person may say a server is; any other that speaks OpenAI's protocol is `openai` with an address."""
ValueKind = Literal["number", "whole", "text", "texts", "order", "bias", "object", "choice", "flag"]
ParameterGroup = Literal["common", "sampling", "repetition", "temperature", "output", "thinking"]
GROUPS: tuple[ParameterGroup, ...] = get_args(ParameterGroup)

HOMES: Mapping[str, str] = {
    "openrouter": "https://openrouter.ai/api/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "llamacpp": "http://127.0.0.1:8080/v1",
    "koboldcpp": "http://127.0.0.1:5001/v1",
    "tabby": "http://127.0.0.1:5000/v1",
    "textgen": "http://127.0.0.1:5000/v1",
    "vllm": "http://127.0.0.1:8000/v1",
}
"""Where a server of a kind is, unless a person says otherwise."""

_HOSTS: Mapping[str, ServerKind] = {
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
}
"""Hosts that say what they are; a provider `openai` anywhere else is any compatible server."""

LONGEST_TEXT = 200_000
MOST_TEXTS = 1000
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `low` and `high` bound numbers, both included; `wire` is its name by kind of server.

    A dot in a wire name leads into an object. A kind that is not in `wire` does not take the parameter.
    """

    name: str
    value: ValueKind
    help: str
    group: ParameterGroup
    wire: Mapping[ServerKind, str] = field(default_factory=dict)
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What it may be, for an error message and the reference."""
        bounds = f"from {self.low:.10g} to {self.high:.10g}"
        words = {
            "number": f"a number {bounds}",
            "whole": f"a whole number {bounds}",
            "text": "a text",
            "texts": "a text, or a JSON list of texts",
            "order": "a JSON list of names or numbers of samplers",
            "bias": "a JSON object of tokens and numbers from -100 to 100 (false bans)",
            "object": "a JSON object",
            "choice": ", ".join(self.choices),
            "flag": "true, false",
        }
        return words[self.value]


EFFORTS = ("auto", "none", "minimal", "low", "medium", "high", "xhigh", "max")
_LOCAL: tuple[ServerKind, ...] = ("llamacpp", "koboldcpp", "tabby", "textgen", "vllm", "generic")
_OPEN: tuple[ServerKind, ...] = ("openai", "openrouter", "deepseek", "mistral", *_LOCAL)


def _names(name: str, kinds: Iterable[ServerKind], /, **other: str | None) -> Mapping[ServerKind, str]:
    """`name` for these kinds, another one for those named; None leaves a kind out."""
    wire: dict[Any, str | None] = {**dict.fromkeys(kinds, name), **other}
    return {kind: called for kind, called in wire.items() if called is not None}


def _number(
    name: str,
    help: str,
    group: ParameterGroup,
    low: float,
    high: float,
    wire: Mapping[ServerKind, str],
    *,
    whole: bool = False,
) -> Parameter:
    return Parameter(name, "whole" if whole else "number", help, group, wire, low, high)


_GEMINI = "generationConfig."
_DECLARED = (
    _number(
        "temperature",
        "How freely the next word is chosen; 0 takes the likeliest.",
        "common",
        0,
        5,
        _names(
            "temperature", (*_OPEN, "anthropic"), gemini=_GEMINI + "temperature", ollama="options.temperature"
        ),
    ),
    _number(
        "top_p",
        "Only the likeliest words that make up this share are chosen from.",
        "common",
        0,
        1,
        _names("top_p", (*_OPEN, "anthropic"), gemini=_GEMINI + "topP", ollama="options.top_p"),
    ),
    _number(
        "top_k",
        "Only so many of the likeliest words are chosen from.",
        "common",
        0,
        10_000,
        _names(
            "top_k", ("openrouter", "anthropic", *_LOCAL), gemini=_GEMINI + "topK", ollama="options.top_k"
        ),
        whole=True,
    ),
    _number(
        "max_tokens",
        "Most tokens of a reply.",
        "common",
        1,
        1_000_000,
        _names(
            "max_tokens",
            (*_OPEN, "anthropic"),
            gemini=_GEMINI + "maxOutputTokens",
            ollama="options.num_predict",
        ),
        whole=True,
    ),
    _number(
        "frequency_penalty",
        "Makes a word less likely the more often it came.",
        "common",
        -2,
        2,
        _names(
            "frequency_penalty",
            _OPEN,
            gemini=_GEMINI + "frequencyPenalty",
            ollama="options.frequency_penalty",
        ),
    ),
    _number(
        "presence_penalty",
        "Makes a word less likely once it came.",
        "common",
        -2,
        2,
        _names(
            "presence_penalty", _OPEN, gemini=_GEMINI + "presencePenalty", ollama="options.presence_penalty"
        ),
    ),
    _number(
        "repeat_penalty",
        "Divides the chance of words that came before; 1 is off.",
        "common",
        0,
        10,
        _names(
            "repetition_penalty",
            ("openrouter", "tabby", "textgen", "vllm", "generic"),
            llamacpp="repeat_penalty",
            koboldcpp="rep_pen",
            ollama="options.repeat_penalty",
        ),
    ),
    _number(
        "min_p",
        "Leaves out words less likely than this share of the likeliest.",
        "sampling",
        0,
        1,
        _names("min_p", ("openrouter", *_LOCAL), ollama="options.min_p"),
    ),
    _number(
        "top_a",
        "Leaves out words below this times the square of the likeliest.",
        "sampling",
        0,
        1,
        _names("top_a", ("openrouter", *_LOCAL), llamacpp=None),
    ),
    _number(
        "typical_p",
        "Keeps words about as surprising as expected.",
        "sampling",
        0,
        1,
        _names("typical_p", _LOCAL, koboldcpp="typical", tabby="typical", ollama="options.typical_p"),
    ),
    _number("tfs", "Tail-free sampling; 1 is off.", "sampling", 0, 1, _names("tfs", _LOCAL, llamacpp=None)),
    _number(
        "repeat_last_n",
        "How many tokens back repetition is looked for; -1 is the whole window.",
        "repetition",
        -1,
        10_000_000,
        _names(
            "repeat_last_n",
            ("llamacpp", "generic"),
            koboldcpp="rep_pen_range",
            tabby="penalty_range",
            textgen="repetition_penalty_range",
            ollama="options.repeat_last_n",
        ),
        whole=True,
    ),
    _number(
        "dry_multiplier",
        "Strength of the penalty on repeated phrases; 0 is off.",
        "repetition",
        0,
        100,
        _names("dry_multiplier", _LOCAL),
    ),
    _number(
        "dry_base",
        "How fast that penalty grows with the phrase.",
        "repetition",
        0,
        100,
        _names("dry_base", _LOCAL),
    ),
    _number(
        "dry_allowed_length",
        "Length of a phrase that may be repeated.",
        "repetition",
        0,
        100_000,
        _names("dry_allowed_length", _LOCAL),
        whole=True,
    ),
    _number(
        "dry_penalty_last_n",
        "How many tokens back phrases are looked for; -1 is the whole window.",
        "repetition",
        -1,
        10_000_000,
        _names("dry_penalty_last_n", _LOCAL, tabby="dry_range"),
        whole=True,
    ),
    Parameter(
        "dry_sequence_breakers",
        "texts",
        "Texts at which a repeated phrase ends.",
        "repetition",
        _names("dry_sequence_breakers", _LOCAL),
    ),
    _number(
        "xtc_threshold",
        "Chance above which a likely word may be left out.",
        "sampling",
        0,
        1,
        _names("xtc_threshold", _LOCAL),
    ),
    _number(
        "xtc_probability",
        "How often the likeliest words are left out.",
        "sampling",
        0,
        1,
        _names("xtc_probability", _LOCAL),
    ),
    _number(
        "dynatemp_low",
        "Least temperature where it follows how sure the model is.",
        "temperature",
        0,
        5,
        _names(
            "dynatemp_low",
            _LOCAL,
            llamacpp="dynatemp_range",
            koboldcpp="dynatemp_range",
            tabby="min_temp",
            vllm="dynatemp_min",
        ),
    ),
    _number(
        "dynatemp_high",
        "Greatest temperature where it follows how sure the model is.",
        "temperature",
        0,
        5,
        _names(
            "dynatemp_high",
            _LOCAL,
            llamacpp="dynatemp_range",
            koboldcpp="dynatemp_range",
            tabby="max_temp",
            vllm="dynatemp_max",
        ),
    ),
    _number(
        "dynatemp_exponent",
        "How the temperature follows it.",
        "temperature",
        0,
        10,
        _names("dynatemp_exponent", _LOCAL, tabby="temp_exponent"),
    ),
    _number(
        "smoothing_factor",
        "Quadratic sampling; 0 is off.",
        "temperature",
        0,
        100,
        _names("smoothing_factor", _LOCAL, llamacpp=None),
    ),
    _number(
        "smoothing_curve",
        "Shape of quadratic sampling; 1 is plain.",
        "temperature",
        0,
        100,
        _names("smoothing_curve", _LOCAL, llamacpp=None),
    ),
    _number(
        "mirostat",
        "Mirostat of version 1 or 2; 0 is off.",
        "temperature",
        0,
        2,
        _names(
            "mirostat",
            ("llamacpp", "koboldcpp", "generic"),
            tabby="mirostat_mode",
            textgen="mirostat_mode",
            vllm="mirostat_mode",
            ollama="options.mirostat",
        ),
        whole=True,
    ),
    _number(
        "mirostat_tau",
        "Surprise that mirostat aims at.",
        "temperature",
        0,
        100,
        _names("mirostat_tau", _LOCAL, ollama="options.mirostat_tau"),
    ),
    _number(
        "mirostat_eta",
        "How fast mirostat learns.",
        "temperature",
        0,
        100,
        _names("mirostat_eta", _LOCAL, ollama="options.mirostat_eta"),
    ),
    _number(
        "top_n_sigma",
        "Keeps words within so many deviations of the likeliest; 0 or less is off.",
        "sampling",
        -1,
        100,
        _names("top_n_sigma", _LOCAL, koboldcpp="nsigma", tabby="nsigma", vllm="nsigma"),
    ),
    _number(
        "adaptive_target",
        "Chance of a word that adaptive sampling aims at; below 0 is off.",
        "sampling",
        -1,
        1,
        _names("adaptive_target", _LOCAL, vllm=None),
    ),
    _number(
        "adaptive_decay",
        "How long adaptive sampling remembers.",
        "sampling",
        0,
        1,
        _names("adaptive_decay", _LOCAL, vllm=None),
    ),
    Parameter(
        "sampler_order",
        "order",
        "The order in which samplers work: names, or KoboldCpp's numbers.",
        "sampling",
        _names("sampler_order", ("koboldcpp", "generic"), llamacpp="samplers", textgen="sampler_priority"),
    ),
    _number(
        "seed",
        "The same seed draws the same words, where the server can; -1 draws anew.",
        "output",
        -1,
        2**63 - 1,
        _names(
            "seed",
            ("openai", "openrouter", *_LOCAL),
            gemini=_GEMINI + "seed",
            mistral="random_seed",
            ollama="options.seed",
        ),
        whole=True,
    ),
    Parameter(
        "stop",
        "texts",
        "Texts before which a reply ends.",
        "output",
        _names(
            "stop", _OPEN, anthropic="stop_sequences", gemini=_GEMINI + "stopSequences", ollama="options.stop"
        ),
    ),
    Parameter(
        "banned_strings",
        "texts",
        "Texts that must not be written.",
        "output",
        _names(
            "banned_strings",
            ("tabby", "generic"),
            koboldcpp="banned_tokens",
            textgen="custom_token_bans",
            vllm="bad_words",
        ),
    ),
    Parameter(
        "logit_bias",
        "bias",
        "Makes tokens likelier or less likely.",
        "output",
        _names("logit_bias", ("openai", "openrouter", *_LOCAL)),
    ),
    Parameter(
        "grammar",
        "text",
        "A grammar (GBNF) that the reply follows.",
        "output",
        _names(
            "grammar",
            ("llamacpp", "koboldcpp", "generic"),
            tabby="grammar_string",
            textgen="grammar_string",
            vllm="guided_grammar",
        ),
    ),
    Parameter(
        "json_schema",
        "object",
        "A JSON schema that the reply follows.",
        "output",
        _names(
            "response_format",
            ("openai", "openrouter", "mistral", "koboldcpp", "vllm", "generic"),
            llamacpp="json_schema",
            tabby="json_schema",
            ollama="format",
            gemini=_GEMINI + "responseJsonSchema",
        ),
    ),
    _number(
        "n",
        "How many replies one request asks for; the first is shown.",
        "output",
        1,
        16,
        _names("n", ("openai", "mistral", "vllm", "generic"), gemini=_GEMINI + "candidateCount"),
        whole=True,
    ),
    Parameter(
        "reasoning_effort",
        "choice",
        "How long the model thinks; auto leaves it to the server.",
        "thinking",
        _names(
            "reasoning_effort",
            ("openai", "textgen", "vllm", "generic"),
            openrouter="reasoning.effort",
            anthropic="output_config.effort",
            gemini=_GEMINI + "thinkingConfig.thinkingLevel",
            llamacpp="chat_template_kwargs.reasoning_effort",
            ollama="think",
        ),
        choices=EFFORTS,
    ),
    _number(
        "reasoning_budget",
        "Most tokens of thinking; 0 asks for none, -1 leaves it to the model.",
        "thinking",
        -1,
        1_000_000,
        _names(
            "thinking_budget_tokens",
            ("llamacpp",),
            openrouter="reasoning.max_tokens",
            anthropic="thinking.budget_tokens",
            gemini=_GEMINI + "thinkingConfig.thinkingBudget",
        ),
        whole=True,
    ),
    Parameter(
        "verbosity",
        "choice",
        "How long replies are; auto leaves it to the server.",
        "thinking",
        _names("verbosity", ("openai", "openrouter", "generic")),
        choices=("auto", "low", "medium", "high"),
    ),
    Parameter(
        "show_thoughts",
        "flag",
        "Whether the server sends what the model thinks.",
        "thinking",
        _names("reasoning.exclude", ("openrouter",), gemini=_GEMINI + "thinkingConfig.includeThoughts"),
    ),
)
PARAMETERS: Mapping[str, Parameter] = {param.name: param for param in _DECLARED}


def kind_of(provider: str, base_url: str) -> ServerKind:
    """What kind of server stands behind a saved model: as the person said, else as its host says."""
    if provider != "openai":
        return next((kind for kind in KINDS if kind == provider), "generic")
    host = urlsplit(base_url.strip()).hostname if base_url.strip() else "api.openai.com"
    return _HOSTS.get(host or "", "generic")


def taken(kind: ServerKind) -> tuple[str, ...]:
    """The parameters that a kind of server takes, by our names."""
    return tuple(name for name, param in PARAMETERS.items() if kind in param.wire)


# -- reading values ------------------------------------------------------------------------------------


def parameter(name: str) -> Parameter:
    """Raises InvalidInput (PARAMETER_UNKNOWN)."""
    if name in PARAMETERS:
        return PARAMETERS[name]
    from difflib import get_close_matches

    # Those that begin so or hold it come first: of a long name, a short form is not like it.
    close = {each: None for each in PARAMETERS if name and name in each}
    close |= dict.fromkeys(get_close_matches(name, PARAMETERS, 3, 0.6))
    near = Names([*close][:3] or [*[*PARAMETERS][:8], "…"])
    raise InvalidInput(
        "PARAMETER_UNKNOWN",
        f"There is no parameter {_shown(name)}.",
        f"Known near it: {near}; docs/parameters.md lists them all.",
        name=_shown(name),
        near=near,
    )


def checked_value(name: str, value: object, where: object = "") -> Any:
    """A value of a parameter in its type; texts, as the command line and forms give them, are read.

    Raises:
        InvalidInput: PARAMETER_UNKNOWN, PARAMETER_INVALID.
    """
    param = parameter(name)
    good = _read(param, value)
    if good is None:
        place = f" in {where}" if where else ""
        raise InvalidInput(
            "PARAMETER_INVALID",
            f"{name} = {_shown(value)}{place} is not allowed.",
            f"Allowed: {param.allowed}.",
            name=name,
            value=_shown(value),
            allowed=param.allowed,
            where=where,
        )
    return good


def read_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` texts as values.

    Raises:
        InvalidInput: PARAMETER_PAIR, PARAMETER_UNKNOWN, PARAMETER_INVALID.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name.strip():
            raise InvalidInput(
                "PARAMETER_PAIR",
                f"{_shown(pair)} names no parameter with a value.",
                "Write it as NAME=VALUE, for example min_p=0.05.",
                value=_shown(pair),
            )
        values[name.strip()] = checked_value(name.strip(), text)
    return values


def sampling_of(values: Mapping[str, object]) -> Sampling:
    """The values that can be used as sampling; what is unknown or not allowed is left out."""
    good: dict[str, Any] = {}
    for name, value in values.items():
        if name in PARAMETERS and (read := _read(PARAMETERS[name], value)) is not None:
            good[name] = read
    return Sampling(**good)


def plain_value(value: object) -> Any:
    """A value as TOML and JSON hold it."""
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, RecursionError):
        return "…"
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _read(param: Parameter, value: object) -> Any:
    """None where it is not allowed."""
    readers = {
        "number": _number_of,
        "whole": _number_of,
        "text": _text_of,
        "texts": _texts_of,
        "order": _order_of,
        "bias": _bias_of,
        "object": _object_of,
        "choice": _choice_of,
        "flag": _flag_of,
    }
    return readers[param.value](param, value)


def _number_of(param: Parameter, value: object) -> float | int | None:
    if isinstance(value, str):
        try:
            value = int(value) if param.value == "whole" else float(value)
        except ValueError:
            return None
    # True is a number to Python; NaN lies within no bounds.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not param.low <= value <= param.high:
        return None
    if param.value == "whole":
        return int(value) if value == int(value) else None
    return value


def _text_of(param: Parameter, value: object) -> str | None:
    good = isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_TEXT
    return value if good else None  # type: ignore[return-value]


def _texts_of(param: Parameter, value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        listed = _json(value) if value.lstrip().startswith("[") else None
        value = listed if isinstance(listed, list) else [value]
    if not isinstance(value, (list, tuple)) or not value or len(value) > MOST_TEXTS:
        return None
    return (
        tuple(value)
        if all(isinstance(text, str) and text and len(text) <= 10_000 for text in value)
        else None
    )


def _order_of(param: Parameter, value: object) -> tuple[str | int, ...] | None:
    if isinstance(value, str):
        listed = (
            _json(value) if value.lstrip().startswith("[") else [item.strip() for item in value.split(",")]
        )
        value = listed
    if not isinstance(value, (list, tuple)) or not value or len(value) > 100:
        return None
    good = all(type(item) is int or (isinstance(item, str) and item) for item in value)
    return tuple(value) if good else None


def _bias_of(param: Parameter, value: object) -> Mapping[str, float] | None:
    value = _json(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping) or not value or len(value) > MOST_TEXTS:
        return None
    for token, bias in value.items():
        number = isinstance(bias, (int, float)) and (
            bias is False or (bias is not True and -100 <= bias <= 100)
        )
        if not isinstance(token, str) or not token or not number:
            return None
    return dict(value)


def _object_of(param: Parameter, value: object) -> Mapping[str, Any] | None:
    value = _json(value) if isinstance(value, str) else value
    return dict(value) if isinstance(value, Mapping) and value else None


def _choice_of(param: Parameter, value: object) -> str | None:
    word = (
        {"min": "minimal"}.get(value.strip().lower(), value.strip().lower()) if isinstance(value, str) else ""
    )
    return word if word in param.choices else None


def _flag_of(param: Parameter, value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            value.strip().lower()
        )
    return value if isinstance(value, bool) else None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
