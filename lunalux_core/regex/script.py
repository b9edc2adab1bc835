"""Regex scripts as files: reading them tolerantly, writing them back as they were.

Nothing is executed here. Patterns are ECMAScript; `lunalux_core.regex.engine` runs them.

See docs/spec/formats.md: Regex script files, Running regex scripts, Tolerant reading, Reply parsing, Scan
buffer and keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lunalux_core.errors import InvalidInput

USER_INPUT, AI_OUTPUT, SLASH_COMMAND, WORLD_INFO, REASONING = 1, 2, 3, 5, 6
"""Values of `placement`: which kind of text a script is for."""

ScriptOrigin = Literal["sillytavern", "narratium"]

LISTS = ("regex_scripts", "scripts")
"""Names under which files of other tools keep several scripts."""


@dataclass(frozen=True, slots=True)
class RegexScript:
    """One find-and-replace script.

    `substitute` says whether macros in `find` are expanded: 0 not, 1 as they are, 2 escaped for a pattern.
    `min_depth` and `max_depth` count messages from the end, 0 is the last one; None is no limit.
    `raw` is the document the script came from, kept for an export that loses nothing.
    """

    id: str = ""
    name: str = ""
    find: str = ""
    replace: str = ""
    trim_strings: tuple[str, ...] = ()
    placement: tuple[int, ...] = ()
    disabled: bool = False
    markdown_only: bool = False
    prompt_only: bool = False
    run_on_edit: bool = False
    substitute: int = 0
    min_depth: int | None = None
    max_depth: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An ECMAScript pattern: `flags` without the `g`, which is `global_`."""

    source: str
    flags: str = ""
    global_: bool = False


def read_script(document: Mapping[str, Any]) -> RegexScript:
    """The script in one JSON object, whatever the types of its values are."""
    return RegexScript(
        id=_text(document.get("id") or document.get("scriptKey")),
        name=_text(document.get("scriptName")),
        find=_text(document.get("findRegex")),
        replace=_text(document.get("replaceString")),
        trim_strings=tuple(text for item in _items(document.get("trimStrings")) if (text := _text(item))),
        placement=tuple(
            number for item in _items(document.get("placement")) if (number := _integer(item)) is not None
        ),
        disabled=_flag(document.get("disabled")),
        markdown_only=_flag(document.get("markdownOnly")),
        prompt_only=_flag(document.get("promptOnly")),
        run_on_edit=_flag(document.get("runOnEdit")),
        substitute=_integer(document.get("substituteRegex")) or 0,
        min_depth=_integer(document.get("minDepth")),
        max_depth=_integer(document.get("maxDepth")),
        raw=document,
    )


def read_scripts(document: object, source: ScriptOrigin = "sillytavern") -> list[RegexScript]:
    """All scripts of a file: one object, an array, or those inside a card or a preset.

    Old placements are brought up to date: 0 ("display") means everywhere but only on display, 4 is 3.
    A bare pattern from a Narratium store becomes ``/…/g``, as that program ran it.

    Raises:
        InvalidInput: REGEX_NO_SCRIPTS if the document holds none.
    """
    documents = list(_find_documents(document))
    if not documents:
        raise InvalidInput(
            "REGEX_NO_SCRIPTS",
            "This file holds no regex scripts.",
            "Choose a file with findRegex entries, or a card or preset that carries some.",
        )
    return [_modernise(read_script(each), source) for each in documents]


def scripts_inside(document: object) -> list[RegexScript]:
    """`read_scripts` for what a card or a preset carries: none where it holds something else."""
    scripts = [read_script(each) for each in _find_documents(document)]
    return [_modernise(script, "sillytavern") for script in scripts]


def _find_documents(document: object) -> Iterable[Mapping[str, Any]]:
    if isinstance(document, Mapping):
        if "findRegex" in document:
            yield document
            return
        places: list[object] = [document.get(name) for name in LISTS]
        for holder in (document, document.get("data")):
            extensions = holder.get("extensions") if isinstance(holder, Mapping) else None
            if isinstance(extensions, Mapping):
                places.append(extensions.get("regex_scripts"))
        if not any(places):  # a Narratium store: scripts by their key
            places = [value for value in document.values() if _is_script(value)]
        for place in places:
            yield from _find_documents(place)
    elif isinstance(document, Sequence) and not isinstance(document, str | bytes):
        yield from (item for item in document if _is_script(item))


def _is_script(value: object) -> bool:
    return isinstance(value, Mapping) and "findRegex" in value


def _modernise(script: RegexScript, source: ScriptOrigin) -> RegexScript:
    placement = tuple(dict.fromkeys(SLASH_COMMAND if item == 4 else item for item in script.placement))
    if 0 in placement:
        everywhere = (USER_INPUT, AI_OUTPUT, SLASH_COMMAND, WORLD_INFO, REASONING)
        placement = tuple(item for item in placement if item) or everywhere
        script = replace(script, markdown_only=True)
    if source == "narratium" and script.find and not script.find.startswith("/"):
        script = replace(script, find=f"/{_escape_slashes(script.find)}/g")
    return replace(script, placement=placement)


def _escape_slashes(pattern: str) -> str:
    # An escape is taken as a whole, so that a slash with a backslash before it is not escaped twice.
    return re.sub(
        r"\\.|/", lambda match: "\\/" if match.group() == "/" else match.group(), pattern, flags=re.S
    )


_KEYS = {
    "id": "id",
    "name": "scriptName",
    "find": "findRegex",
    "replace": "replaceString",
    "trim_strings": "trimStrings",
    "placement": "placement",
    "disabled": "disabled",
    "markdown_only": "markdownOnly",
    "prompt_only": "promptOnly",
    "run_on_edit": "runOnEdit",
    "substitute": "substituteRegex",
    "min_depth": "minDepth",
    "max_depth": "maxDepth",
}


def write_script(script: RegexScript) -> dict[str, Any]:
    """The script as SillyTavern writes it, on top of the document it came from.

    A value that still means what the document says is left exactly as it was there, unknown keys stay.
    """
    original = read_script(script.raw)
    document = dict(script.raw)
    for name, key in _KEYS.items():
        value = getattr(script, name)
        if key not in document or value != getattr(original, name):
            document[key] = list(value) if isinstance(value, tuple) else value
    return document


def parse_find(find: str) -> Pattern:
    """The pattern meant by a `findRegex`, with SillyTavern's own reading of it.

    ``/…/flags`` up to the last slash of the first line, anything after the flags is ignored. Flags that
    are unknown or repeated make the *whole* text the pattern; without slashes the first line is, and only
    the first match is replaced.

    Raises:
        InvalidInput: REGEX_INVALID for an empty text or a flag that ECMAScript refuses.
    """
    line = next((part for part in re.split(r"[\n\r\u2028\u2029]", find) if part), "")
    if not line:
        raise _invalid("it is empty")
    last = line.rfind("/")
    # `//` holds no pattern, so both slashes are the pattern.
    if not line.startswith("/") or last < 2:
        return Pattern(line)
    letters = re.match(r"[a-zA-Z]*", line[last + 1 :])
    flags = letters.group() if letters else ""
    if len(set(flags)) != len(flags) or not set(flags) <= set("gmixXsuUAJ"):
        return Pattern(find)
    if refused := "".join(flag for flag in flags if flag in "xXUAJ"):
        raise _invalid(f"the flag {refused} does not exist")
    return Pattern(line[1:last], flags.replace("g", ""), "g" in flags)


def parse_slashed(key: str) -> Pattern | None:
    """The pattern of a worldbook key written ``/…/flags``, or None for a plain key."""
    match = re.fullmatch(r"/(.+)/([gimsuy]*)", key, re.S)
    if match is None:
        return None
    source, flags = match.groups()
    # A slash without a backslash would end the pattern there: a plain key, such as a path.
    if re.search(r"(?:^|[^\\])/", source) or len(set(flags)) != len(flags):
        return None
    return Pattern(source.replace("\\/", "/"), flags.replace("g", ""), "g" in flags)


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput(
        "REGEX_INVALID",
        f"The regular expression cannot be used: {reason}.",
        "Correct the pattern in the script's editor.",
        reason=reason,
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, bool | Mapping | list):
        return ""
    return value if isinstance(value, str) else str(value)


def _items(value: object) -> Sequence[object]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _flag(value: object) -> bool:
    return value.strip().lower() in ("true", "1") if isinstance(value, str) else bool(value)


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return int(value)
    try:
        return int(float(value)) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
