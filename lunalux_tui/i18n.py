"""Every visible word, in the person's language.

The catalogues are `locales/<language>/<area>.json`, the same keys in all languages (a test says so); an
area is a screen with all that belongs to it. The language belongs to the process, like the terminal; `use`
switches it while the program runs and the app then redraws. Sentences are whole: a value is put into a
sentence, never a sentence glued from pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.config import file_words
from lunalux_core.config.file_words import FileWords
from lunalux_core.errors import InvalidInput, LunaluxError, Names

if TYPE_CHECKING:
    from lunalux_core.prices import Price

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "简体中文"}
FALLBACK = "en"
LONGEST_TOLD = 2000
"""Characters of a message or a hint that are told."""
BEFORE_A_DETAIL = ("a web page, ", "the prompt, ")
"""What the core puts before the words of a model server, to say what they were found in."""

MEGABYTE = 2**20

FOLDER = Path(__file__).parent / "locales"


class _Blanks(dict[str, object]):
    """Parameters of a sentence; one that is missing shows as its name."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


@cache
def catalogue(language: str) -> Mapping[str, str | Mapping[str, str]]:
    """The sentences of a language by dotted key; plural forms stay together as a mapping.

    A file that cannot be read is left out and told by `problems`; its sentences come from the others.
    """
    flat: dict[str, str | Mapping[str, str]] = {}
    for file in sorted((FOLDER / language).glob("*.json")):
        _flatten(_read(file), "", flat, file)
    return flat


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        _broken(file, f"line {error.lineno}, {error.msg}")
    except (OSError, UnicodeDecodeError) as error:
        _broken(file, str(error))
    return {}


_PLURALS = {"one", "other"}
"""Forms of a number; a group of nothing else is one text."""


def _flatten(tree: Any, prefix: str, flat: dict[str, str | Mapping[str, str]], file: Path) -> None:
    if isinstance(tree, str) or (isinstance(tree, dict) and "other" in tree and tree.keys() <= _PLURALS):
        flat[prefix] = tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            _flatten(value, f"{prefix}.{key}" if prefix else key, flat, file)
    else:
        _broken(file, f"{prefix or 'the file'} is not a text")


_problems: dict[str, InvalidInput] = {}


def _broken(file: Path, reason: str) -> None:
    # The first thing that is wrong in a file is enough to find it.
    _problems.setdefault(
        str(file),
        InvalidInput(
            "LOCALE_INVALID",
            f"The words in {file} cannot be used: {reason}.",
            "Install Lunalux again, or correct the file; another language stands in meanwhile.",
            path=str(file),
            reason=reason,
        ),
    )


def problems() -> tuple[InvalidInput, ...]:
    """What is wrong with the catalogues read so far."""
    return tuple(_problems.values())


class _Current:
    language = FALLBACK


def use(language: str) -> None:
    """Speak `language` from now on; one without a catalogue means English."""
    _Current.language = language if language in LANGUAGES else FALLBACK
    file_words.use(FileWords(lambda: t("config.head"), _setting_help, _allowed_line))


def _setting_help(key: str, english: str) -> str:
    return t(f"setting.{key}.help") if has(f"setting.{key}.help") else english


def _allowed_line(allowed: str) -> str:
    return t("config.allowed", allowed=allowed_words(allowed))


def language() -> str:
    """The language in use: en or zh."""
    return _Current.language


def has(key: str) -> bool:
    """Whether the language in use knows this key."""
    return key in catalogue(_Current.language)


def t(key: str, **params: object) -> str:
    """The sentence of `key`, with `params` filled in.

    A sentence with plural forms chooses by the parameter `n`. A key that nobody knows comes back as it
    is: a missing translation must never stop the program.
    """
    entry = catalogue(_Current.language).get(key)
    if entry is None:
        # A sentence that one language lacks is said in another: better than its key.
        entry = next((words[key] for words in map(catalogue, LANGUAGES) if key in words), None)
    if entry is None:
        return key
    if not isinstance(entry, str):
        entry = entry.get("one", entry["other"]) if params.get("n") == 1 else entry["other"]
    # Without values nothing is filled in: braces of the sentence itself stay.
    return _filled(entry, _Blanks(_harmless(params))) if params else entry


_WIDE = "[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"
_BLANK_BEFORE = re.compile(rf"(?<={_WIDE}) (?=\{{(\w+)\}})")
_BLANK_BEHIND = re.compile(rf"(?<=\{{)(\w+)\}} (?={_WIDE})")
_WIDE_FIRST, _WIDE_LAST = re.compile(_WIDE), re.compile(f"{_WIDE}$")


def _filled(sentence: str, params: Mapping[str, object]) -> str:
    """A sentence with its values. Chinese ones have blanks around a value, which only stay beside one that
    begins and ends with other letters."""

    def before(blank: re.Match[str]) -> str:
        return "" if _WIDE_FIRST.match(str(params[blank[1]])) else " "

    def behind(name: re.Match[str]) -> str:
        return name[0].rstrip() if _WIDE_LAST.search(str(params[name[1]])) else name[0]

    if _Current.language == "zh" and params:
        sentence = _BLANK_BEHIND.sub(behind, _BLANK_BEFORE.sub(before, sentence))
    return sentence.format_map(params)


def _harmless(params: Mapping[str, object]) -> dict[str, object]:
    """Parameters without anything that acts on a terminal: names, paths and what servers say are values of
    sentences everywhere, so this is where they are made harmless. Amounts get their thousands marked, so that
    one number reads the same wherever it stands."""
    from lunalux_core.text import clean

    def written(name: str, value: object) -> object:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # seconds that a server counts in parts read "30", not "30.0"
        if type(value) is int and name not in _NO_AMOUNTS:
            return f"{value:,}"
        return value if isinstance(value, (int, float)) else clean(str(value))

    return {name: written(name, value) for name, value in params.items()}


_NO_AMOUNTS = frozenset(
    {"port", "uid", "id", "line", "column", "opened_line", "status", "level", "order", "seed", "year"}
    | {"value", "low", "high"}
)
"""Parameters whose number says which one, or is typed as it stands, and does not say how many."""


@cache
def error_sentences(language: str) -> Mapping[str, tuple[str, str]]:
    """Message and hint by error code, `locales/errors.<language>.json`. Errors bring their own English."""
    path = FOLDER / f"errors.{language}.json"
    if not path.is_file():
        return {}
    pairs = _read(path)
    return {code: (str(pair[0]), str(pair[1])) for code, pair in pairs.items() if len(pair) == 2}


def tell(error: LunaluxError) -> tuple[str, str]:
    """Message and hint of an error in the person's language; its own English where there is none.

    A sentence that names a value the error does not bring is not used: half a sentence helps nobody. One
    under `CODE@kind` is meant for errors of that `kind`, under `CODE@where` for those that bring a place,
    under `CODE@full` for those that bring all it names; the one under `CODE` is for the rest.
    Both come back as one line each that cannot act on a terminal, whatever the error was made of: each value
    is cleaned for itself, so that none can swallow the words of the sentence after it, then the whole.
    """
    from lunalux_core.text import clean_line

    message, hint = _told(error)
    return clean_line(message, LONGEST_TOLD), clean_line(hint, LONGEST_TOLD)


def in_a_row(*sentences: str) -> str:
    """Sentences as one text: Chinese ones follow one another without a blank."""
    text = ""
    for sentence in filter(None, sentences):
        text += sentence if not text or text.endswith(("。", "！", "？")) else f" {sentence}"
    return text


def in_a_list(words: Iterable[str]) -> str:
    """Names with the comma between them that this language has."""
    return t("settings.list_comma").join(words)


@cache
def _notes(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Remarks of the core by their English, `locales/notes.<language>.json`; the longest first."""
    path = FOLDER / f"notes.{language}.json"
    pairs: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    ordered = sorted(pairs.items(), key=lambda pair: -len(pair[0].replace("{}", "")))
    return tuple(
        (re.compile("(.+?)".join(map(re.escape, text.split("{}"))), re.DOTALL), said)
        for text, said in ordered
    )


def note(text: str) -> str:
    """A remark of the core on a file in the person's language; as it is where it is not known."""
    if len(text) > LONGEST_TOLD:
        return text
    for pattern, said in _notes(_Current.language):
        if (match := pattern.fullmatch(text)) is not None:
            first, *others = said.split("{}")
            # A remark may hold another one.
            values = map(note, match.groups())
            return first + "".join(f"{value}{rest}" for value, rest in zip(values, others, strict=True))
    # Several remarks in a row are known one by one.
    parts = text.split("; ")
    told = list(map(note, parts)) if len(parts) > 1 else parts
    return t("cli.semicolon").join(told) if told != parts else text


def _told(error: LunaluxError) -> tuple[str, str]:
    params = _harmless({name: _in_words(value) for name, value in error.params.items()})
    for remark in ("reason", "must"):
        if isinstance(text := params.get(remark), str):
            params[remark] = note(text)  # what a parser says is English wherever it runs
    # A server's own words stay as they are; ours before them do not.
    if isinstance(detail := params.get("detail"), str) and detail.startswith(BEFORE_A_DETAIL):
        params["detail"] = note(detail)
    if "allowed" in params:
        params["allowed"] = allowed_words(str(params["allowed"]))
    for listed in {"choices", "formats"} & params.keys():
        params[listed] = t("cli.allowed.comma").join(str(params[listed]).split(", "))
    if has(f"error.{error.code}.message"):
        hint = t(f"error.{error.code}.hint", **params) if has(f"error.{error.code}.hint") else error.hint
        return t(f"error.{error.code}.message", **params), hint
    sentences = error_sentences(_Current.language)
    limit = error.params.get("limit")
    if isinstance(limit, int) and limit >= MEGABYTE:
        params["limit_mb"] = limit // MEGABYTE
    full = {name: value for name, value in params.items() if value not in ("", None)}
    kind = error.params.get("kind")
    for key, values in ((f"@{kind}", params), ("@where", full), ("@full", full), ("", params)):
        sentence = sentences.get(error.code + key)
        if sentence is not None:
            # The sentence names a value that this error does not bring: the next form is tried.
            with suppress(KeyError):
                return _filled(sentence[0], values), _filled(sentence[1], values)
    return error.message, error.hint


def _in_words(value: object) -> object:
    """A value of an error as people of this language write it."""
    if isinstance(value, Names):
        return in_a_list(value)
    if isinstance(value, (str, int, float, list, tuple)):
        return value
    from lunalux_core.config.toml_lines import FileLine
    from lunalux_core.prices import Price

    if isinstance(value, FileLine) and value.line:
        return t("app.place", path=value.path, line=value.line)
    if isinstance(value, LunaluxError):  # what is wrong with a thing that something else names
        return in_a_row(*tell(value))
    return price_words(value) if isinstance(value, Price) else value


def allowed_words(allowed: str) -> str:
    """The values that a setting may have, as its declaration tells them, in the person's language."""
    words = {"a text": "text", "a list of texts": "list"}
    if allowed in words:
        return t(f"cli.allowed.{words[allowed]}")
    if allowed.startswith("a number from "):
        low, _, high = allowed.removeprefix("a number from ").partition(" to ")
        return t("cli.allowed.number", low=low, high=high)
    return t("cli.allowed.comma").join(allowed.split(", "))


def price_words(price: Price) -> str:
    """A price as people of this language say it."""
    if price.free:
        return t("model.free")
    coins = (("model.stars", price.star), ("model.lunas", price.luna))
    told = [t(key, n=n) for key, n in coins if n is not None]
    return t("model.or", one=told[0], other=told[1]) if len(told) == 2 else "".join(told) or "-"
