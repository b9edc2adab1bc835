"""What fits at a place of the command line, for the completion of shells: names of the library and settings.

Read without opening the runtime, since a shell asks at every press of TAB: nothing is created or changed,
and whatever cannot be read completes to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lunalux_core.config.paths import Paths
from lunalux_core.database import peek
from lunalux_core.llm.parameters import PROVIDERS

# A shell asks again with more letters; a library may have ten thousand names.
MOST = 200
Values = Callable[[], Iterable[str]]


def _rows(sql: str) -> list[str]:
    return peek(Paths.find().library, sql, MOST)


def _characters() -> Iterable[str]:
    return _rows("SELECT name FROM characters ORDER BY used_at DESC, created_at DESC")


def _groups() -> Iterable[str]:
    return _rows("SELECT name FROM character_groups ORDER BY used_at DESC")


def _partners() -> Iterable[str]:
    return [*_characters(), *_groups()]


def _conversations() -> Iterable[str]:
    return _rows("SELECT id FROM conversations ORDER BY updated_at DESC")


def _shelf(kind: str) -> Values:
    return lambda: _rows(f"SELECT name FROM shelf WHERE kind = '{kind}' ORDER BY position, created_at")


def _presets() -> Iterable[str]:
    from lunalux_core.presets.builtin import BUILTIN_KEYS

    return [*BUILTIN_KEYS, *_shelf("preset")()]


def _tags() -> Iterable[str]:
    return _rows("SELECT name FROM tags ORDER BY position, name_key")


def _personas() -> Iterable[str]:
    return _rows("SELECT name FROM personas ORDER BY chosen DESC, created_at DESC")


def _any_tags() -> Iterable[str]:
    # One spelling for tags that differ in case only, the most common first.
    return [*_tags(), *_rows("SELECT min(name) FROM card_tags GROUP BY name_key ORDER BY count(*) DESC")]


def _quick_replies() -> Iterable[str]:
    return _rows("SELECT DISTINCT name FROM quick_reply_sets ORDER BY number")


def _profiles() -> Iterable[str]:
    return _rows("SELECT name FROM profiles ORDER BY name_key")


def _templates() -> Iterable[str]:
    from lunalux_core.templates.shipped import shipped_templates

    stored = _rows("SELECT DISTINCT name FROM templates ORDER BY number")
    return [*stored, *(template.name for template in shipped_templates())]


def _lab_runs() -> Iterable[str]:
    return _rows("SELECT DISTINCT name FROM lab_runs ORDER BY updated_at DESC")


def _memories() -> Iterable[str]:
    return _rows("SELECT CASE title WHEN '' THEN id ELSE title END FROM memories ORDER BY number DESC")


def _models() -> Iterable[str]:
    from lunalux_core.config.settings import load_settings

    return [*load_settings().models, "practice", "openai:", "anthropic:", "gemini:", "official:"]


def _plugins() -> Iterable[str]:
    from lunalux_core.plugins.loader import available

    return [info.name for info in available(Paths.find().plugins, (), {})]


def _settings() -> Iterable[str]:
    from lunalux_core.config.settings import DECLARATIONS

    return DECLARATIONS


def _words(*words: str) -> Values:
    return lambda: words


ANYWHERE: dict[str, Values] = {
    "character": _characters,
    "characters": _characters,
    "speaker": _characters,
    "group": _groups,
    "conversation": _conversations,
    "preset": _presets,
    "lang": _words("en", "zh"),
    "nsfw": _words("exclude", "include", "only"),
    "on_duplicate": _words("skip", "replace", "copy"),
    "provider": _words(*PROVIDERS),
    "storage": _words("embedded", "aws"),
    "shell": _words("bash", "zsh", "fish", "powershell", "pwsh"),
    "key": _settings,
}
"""By the name of a parameter, whatever the command."""

OF_NOUN: dict[tuple[str, str], Values] = {
    ("chat", "character"): _partners,
    ("chat", "model"): _models,
    ("memory", "memory"): _memories,
    ("memory", "model"): _models,
    ("character", "name"): _characters,
    ("character", "sort"): _words("recent", "name", "added", "creator", "size"),
    ("character", "tag"): _any_tags,
    ("character", "without"): _any_tags,
    ("note", "position"): _words("in_chat", "after_main", "before_main"),
    ("note", "role"): _words("system", "user", "assistant"),
    ("persona", "persona"): _personas,
    ("persona", "worldbook"): _shelf("worldbook"),
    ("tag", "tag"): _tags,
    ("tag", "kind"): _words("open", "closed", "none"),
    ("character", "spec"): _words("v2", "v3"),
    ("worldbook", "name"): _shelf("worldbook"),
    ("regex", "name"): _shelf("regex"),
    ("regex", "target"): _words("store", "display", "prompt"),
    ("preset", "name"): _presets,
    ("template", "name"): _templates,
    ("template", "kind"): _words("instruct", "context", "sysprompt", "sampler", "reasoning", "srw"),
    ("quickreply", "name"): _quick_replies,
    ("profile", "name"): _profiles,
    ("profile", "model"): _models,
    ("profile", "template"): _templates,
    ("profile", "task"): _words("memory", "tracker", "impersonate", "suggest", "translate"),
    ("chat", "profile"): _profiles,
    ("model", "template"): _templates,
    ("model", "mode"): _words("chat", "text"),
    ("market", "sort"): _words("hot", "new"),
    ("lab", "run"): _lab_runs,
    ("model", "name"): _models,
    ("plugin", "name"): _plugins,
}
"""By noun and parameter; these go before the others."""

NEW_NAMES = {
    ("worldbook", "import"),
    ("regex", "import"),
    ("preset", "import"),
    ("model", "add"),
    ("template", "import"),
    ("profile", "add"),
}
"""Commands whose `name` is one that does not exist yet."""


def teach(noun: str, command: Any) -> None:
    """Give the parameters of a noun's commands what completes them."""
    for parameter in command.params:
        values = OF_NOUN.get((noun, parameter.name)) or ANYWHERE.get(parameter.name)
        if parameter.name == "name" and (noun, command.name) in NEW_NAMES:
            values = None
        if values is not None:
            parameter._custom_shell_complete = _completer(values)
    for below in getattr(command, "commands", {}).values():
        teach(noun, below)


def _completer(values: Values) -> Callable[[Any, Any, str], list[str]]:
    def complete(_context: Any, _parameter: Any, typed: str) -> list[str]:
        """Values as they are: each shell's own way of quoting is the matter of `shells`."""
        begun = typed.casefold()
        fits = [value for value in dict.fromkeys(values()) if value.casefold().startswith(begun)]
        return [value for value in fits if not value.startswith("-")]  # else it would act as an option

    return complete
