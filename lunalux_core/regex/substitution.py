"""Running regex scripts on a text, with SillyTavern 1.19's rules.

Whether a character's own scripts are allowed at all is the caller's decision. What cannot run is skipped
and named; the text is then as it was before that script.

See docs/spec/formats.md: Regex script files, Running regex scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from lunalux_core.errors import InvalidInput
from lunalux_core.macros.grammar import fill_literals, literal_token
from lunalux_core.regex.engine import EcmaEngine, EcmaTimeout, Match, RegexBudget
from lunalux_core.regex.script import Pattern, RegexScript, parse_find
from lunalux_core.regex.text_units import from_units, to_units

Target = Literal["store", "display", "prompt"]
Reason = Literal["disabled", "target", "edit", "depth", "placement", "empty", "invalid", "timeout"]


class Expand(Protocol):
    """Expands macros; `lunalux_core.macros.expansion.expander` makes one."""

    def __call__(
        self, text: str, *, literals: Sequence[str] = (), value_filter: Callable[[str], str] | None = None
    ) -> str:
        """`literals` replace the tokens of `literal_token` unread; `value_filter` is applied to values."""


class Skipped(NamedTuple):
    """A script that did not run, and why; `detail` is a sentence where there is more to say."""

    name: str
    reason: Reason
    detail: str = ""

    @property
    def failed(self) -> bool:
        """It should have run and could not."""
        return self.reason in ("invalid", "timeout")


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """The text after all scripts; `applied` names those that found something, in order."""

    text: str
    applied: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def run_scripts(
    scripts: Iterable[RegexScript],
    text: str,
    *,
    placement: int,
    target: Target,
    engine: EcmaEngine,
    expand: Expand | None = None,
    depth: int | None = None,
    is_edit: bool = False,
    budget: RegexBudget | None = None,
    keep_lone_surrogates: bool = False,
) -> ScriptResult:
    """The text as the scripts leave it, each working on the result of the one before.

    Args:
        placement: what kind of text this is (`regex.script.USER_INPUT` …).
        target: "store" runs scripts that are neither markdown- nor prompt-only, the other two those that are.
        expand: macro expansion for templates, trim strings and patterns; None leaves macros as they are.
        depth: messages from the end, 0 is the last; None where depth has no meaning (stored text).
        budget: processor time, shared between the scripts; a new one by default.
        keep_lone_surrogates: keep a surrogate whose other half a script replaced; else it becomes U+FFFD.
    """
    budget = budget or RegexBudget()
    applied: list[str] = []
    skipped: list[Skipped] = []
    for script in scripts:
        name = script.name or script.id or script.find
        reason = why_not(script, placement=placement, target=target, depth=depth, is_edit=is_edit)
        if reason:
            skipped.append(Skipped(name, reason))
            continue
        try:
            changed = run_script(script, text, engine, expand or _as_it_is, budget)
        except InvalidInput as error:
            failure: Reason = "timeout" if isinstance(error, EcmaTimeout) else "invalid"
            skipped.append(Skipped(name, failure, error.message))
            continue
        if changed is not None:
            text = changed
            applied.append(name)
    if not keep_lone_surrogates:
        text = _LONE_SURROGATE.sub("\ufffd", text)
    return ScriptResult(text, tuple(applied), tuple(skipped))


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def why_not(
    script: RegexScript, *, placement: int, target: Target, depth: int | None = None, is_edit: bool = False
) -> Reason | None:
    """Why a script does not apply to such a text, None if it does."""
    if script.disabled:
        return "disabled"
    if not script.find:
        return "empty"
    fits = {
        "display": script.markdown_only,
        "prompt": script.prompt_only,
        "store": not script.markdown_only and not script.prompt_only,
    }
    if not fits[target]:
        return "target"
    if is_edit and not script.run_on_edit:
        return "edit"
    if depth is not None:
        too_new = script.min_depth is not None and script.min_depth >= -1 and depth < script.min_depth
        too_old = script.max_depth is not None and 0 <= script.max_depth < depth
        if too_new or too_old:
            return "depth"
    return None if placement in script.placement else "placement"


def run_script(
    script: RegexScript, text: str, engine: EcmaEngine, expand: Expand, budget: RegexBudget
) -> str | None:
    """The text after one script, None if its pattern matches nowhere.

    Raises:
        InvalidInput: the pattern is refused, or took too long (`EcmaTimeout`).
    """
    pattern = parse_find(_find_text(script, expand))
    # Without `u`, JavaScript sees characters beyond U+FFFF as two halves, and scripts may replace one of
    # them.
    units = text if "u" in pattern.flags else to_units(text)
    matches = _matches(pattern, units, engine, budget)
    if not matches:
        return None
    template = _Template(script, expand)
    pieces: list[str] = []
    position = 0
    for match in matches:
        pieces += (units[position : match.start], template.fill(units, match))
        position = match.end
    return from_units("".join((*pieces, units[position:])))


def _matches(pattern: Pattern, text: str, engine: EcmaEngine, budget: RegexBudget) -> list[Match]:
    limit = None if pattern.global_ else 1
    return engine.find_all(pattern.source, pattern.flags, text, limit, budget)


def _find_text(script: RegexScript, expand: Expand) -> str:
    if script.substitute == 1:
        return expand(script.find)
    if script.substitute == 2:
        return expand(script.find, value_filter=escape_pattern)
    return script.find


_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", "\f": r"\f", "\0": r"\0"}


def escape_pattern(value: str) -> str:
    """A value as a pattern that matches exactly it, inside ``/…/`` too."""
    return re.sub(
        r"[\n\r\t\v\f\0.^$*+?{}\[\]\\/|()]",
        lambda match: _ESCAPES.get(match.group(), "\\" + match.group()),
        value,
    )


_REFERENCE = re.compile(r"(?P<match>\{\{match\}\})|\$(?P<number>\d+)|\$<(?P<name>[^>]+)>", re.IGNORECASE)


class _Template:
    """A `replaceString` split at its references, so that macros in captured text are never expanded.

    SillyTavern expands macros in the finished text, and so also macros that a model wrote. Lunalux expands
    only those of the template, in which captured text is passed as literal arguments.
    """

    def __init__(self, script: RegexScript, expand: Expand) -> None:
        self._expand = expand
        self._references = list(_REFERENCE.finditer(script.replace))
        count = iter(range(len(self._references)))
        self._text = _REFERENCE.sub(lambda _: literal_token(next(count)), script.replace)
        self._plain = "{{" not in self._text and "<" not in self._text and "\\" not in self._text
        pieces = _REFERENCE.split(script.replace)
        self._between = pieces[:: _REFERENCE.groups + 1]
        self._trim = [trimmed for each in script.trim_strings if (trimmed := expand(each))]

    def fill(self, text: str, match: Match) -> str:
        """What stands for one match."""
        values = [self._value(text, match, reference) for reference in self._references]
        if self._plain:
            return "".join(part for pair in zip(self._between, [*values, ""], strict=True) for part in pair)
        return self._expand(self._text, literals=values)

    def _value(self, text: str, match: Match, reference: re.Match[str]) -> str:
        at: tuple[int, int] | None = (match.start, match.end)
        if reference["name"]:
            at = match.named.get(reference["name"])
        elif reference["number"] and (number := int(reference["number"])):
            at = match.groups[number - 1] if number <= len(match.groups) else None
        value = "" if at is None else from_units(text[slice(*at)])
        for trimmed in self._trim:
            value = value.replace(trimmed, "")
        return value


def _as_it_is(
    text: str, *, literals: Sequence[str] = (), value_filter: Callable[[str], str] | None = None
) -> str:
    return fill_literals(text, literals)
