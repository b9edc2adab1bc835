"""Settings: defaults < config.toml < environment < flags.

Every setting is declared once, as a field of `Settings`: its key in the file, its default, what it may
be, and a sentence of help. The settings screen, `lunalux settings`, the commented config file and the
docs page are drawn from these declarations. A bad value never stops the program: it is reported as a
problem that names key, file and allowed values, and the default is used.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound

if TYPE_CHECKING:
    from lunalux_core.config.toml_lines import FileLine
    from lunalux_core.language import Language
    from lunalux_core.llm.model import ModelOptions, Provider

SHOWN_LIMIT = 200
"""Characters of a wrong value in a message."""
FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of a configuration file."""
KEY_LIMIT = 500
"""Characters of a dotted key, far more than any of ours."""
PROBLEMS_LIMIT = 50
"""Problems of a file that are told one by one, each with its line."""
TOKENS_LIMIT = 100_000_000
"""More than any model's window; what is larger is a mistake."""

SettingSource = Literal["default", "file", "environment", "flag"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known about one setting. `low` and `high` bound numbers, both included."""

    key: str
    attribute: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    env: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values, for an error message."""
        if self.choices:
            return ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true, false"
        if isinstance(self.default, (int, float)):
            return f"a number from {self.low:.10g} to {self.high:.10g}"
        if isinstance(self.default, tuple):
            return "a list of texts"
        return "a text"


def _setting(key: str, default: Any, help: str, **rest: Any) -> Any:
    return field(default=default, metadata={"key": key, "help": help, **rest})


def _usual_options() -> ModelOptions:
    from lunalux_core.llm.model import ModelOptions

    return ModelOptions()


@dataclass(frozen=True, slots=True)
class SavedModel:
    """One saved model configuration (`[models.NAME]`); its key lives in the credentials store.

    `context_tokens` is the window that the person gave, None where they gave none.
    """

    name: str
    provider: Provider
    model: str
    base_url: str = ""
    key_env: str = ""
    context_tokens: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    options: ModelOptions = field(default_factory=_usual_options)
    mode: Literal["chat", "text"] = "chat"
    template: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force. `paths`, `models`, `keys`, `sources` and `problems` are not settings."""

    language: str = _setting(
        "language",
        "auto",
        "Language of the program; auto follows the system.",
        choices=("auto", "en", "zh"),
        env="LUNALUX_LANG",
    )
    theme: str = _setting(
        "ui.theme", "luna-dark", "Name of a bundled theme or of a file in the themes folder."
    )
    bell: bool = _setting("ui.bell", False, "Ring the terminal bell when a reply is complete.")
    notify: str = _setting(
        "ui.notify",
        "auto",
        "Notify when a long reply is complete and another window has the focus, where the terminal can.",
        choices=("auto", "off"),
    )
    pictures: str = _setting(
        "ui.pictures",
        "auto",
        "Draw pictures: as well as the terminal can, always in blocks of colour, or not at all.",
        choices=("auto", "blocks", "off"),
    )
    portrait: bool = _setting(
        "ui.portrait", True, "Show who speaks under the list of characters, where there is room."
    )
    enter_sends: bool = _setting(
        "chat.enter_sends",
        True,
        "Enter sends and ctrl+j makes a new line; false swaps the two, for input methods.",
    )
    reply_buttons: bool = _setting(
        "chat.reply_buttons", True, "Show the quick replies in force as buttons above the prompt."
    )
    prose: bool = _setting("chat.prose", False, "Read and write chats as one page of prose, without names.")
    show_thinking: bool = _setting("chat.show_thinking", False, "Open thinking blocks when they appear.")
    model: str = _setting(
        "chat.model", "practice", "The model that replies: a saved name, or provider:model."
    )
    preset: str = _setting("chat.preset", "mirror_realm", "The preset in use: a built-in or imported name.")
    user_name: str = _setting("chat.user_name", "", "What characters call you when no persona is chosen.")
    reply_words: int = _setting("chat.reply_words", 200, "Length of a reply to ask for.", low=20, high=4000)
    context_tokens: int = _setting(
        "chat.context_tokens", 8192, "Prompt and reply together, in tokens.", low=1024, high=4_000_000
    )
    reply_tokens: int = _setting(
        "chat.reply_tokens", 1024, "Room kept for the reply, in tokens.", low=16, high=200_000
    )
    temperature: float = _setting("chat.temperature", 1.0, "Sampling temperature.", low=0, high=5)
    worldbook_depth: int = _setting(
        "worldbook.depth", 2, "How many messages are searched for keys.", low=0, high=1000
    )
    worldbook_budget: int = _setting(
        "worldbook.budget", 25, "Share of the context for worldbook entries, in percent.", low=1, high=100
    )
    worldbook_recursive: bool = _setting(
        "worldbook.recursive", True, "Let the text of an entry trigger others."
    )
    worldbook_max_recursion_steps: int = _setting(
        "worldbook.max_recursion_steps", 10, "Passes over the book at most; 0 is unlimited.", low=0, high=1000
    )
    worldbook_whole_words: str = _setting(
        "worldbook.whole_words",
        "auto",
        "Match keys as whole words; auto lets Chinese, Japanese, Korean and Thai keys match anywhere.",
        choices=("auto", "true", "false"),
    )
    worldbook_case_sensitive: bool = _setting("worldbook.case_sensitive", False, "Tell A from a in keys.")
    worldbook_include_names: bool = _setting(
        "worldbook.include_names", True, "Search the names of speakers too."
    )
    worldbook_budget_cap: int = _setting(
        "worldbook.budget_cap", 0, "Most tokens for worldbook entries; 0 is no cap.", low=0, high=4_000_000
    )
    worldbook_min_activations: int = _setting(
        "worldbook.min_activations",
        0,
        "Look further back in the chat until so many entries are active; 0 is off.",
        low=0,
        high=1000,
    )
    worldbook_min_activations_depth_max: int = _setting(
        "worldbook.min_activations_depth_max",
        0,
        "How many messages to look back at most for that; 0 is the whole chat.",
        low=0,
        high=1000,
    )
    worldbook_strategy: str = _setting(
        "worldbook.strategy",
        "character",
        "Whose entries come first while the budget lasts: the character's, those for every chat, or both.",
        choices=("character", "global", "evenly"),
    )
    worldbook_group_scoring: bool = _setting(
        "worldbook.group_scoring", False, "In a group of entries, let the one with most matching keys win."
    )
    worldbook_overflow_alert: bool = _setting(
        "worldbook.overflow_alert", False, "Tell when the budget kept worldbook entries out."
    )
    memory_share: int = _setting(
        "memory.share",
        25,
        "Share of the window for what the story remembers, in percent; 0 keeps memories out.",
        low=0,
        high=60,
    )
    memory_write: str = _setting(
        "memory.write",
        "auto",
        "Write memories in the background after replies: auto with a model of your own and, once you agreed, "
        "with one that costs; always; or off.",
        choices=("auto", "always", "off"),
    )
    memory_model: str = _setting(
        "memory.model", "", "The model that writes memories; empty is the one that replies."
    )
    memory_scene_tokens: int = _setting(
        "memory.scene_tokens", 1200, "A memory is written of so many tokens of story.", low=100, high=200_000
    )
    memory_protected_tokens: int = _setting(
        "memory.protected_tokens",
        0,
        "The newest part of the story that is left alone, in tokens; 0 is a third of the window.",
        low=0,
        high=4_000_000,
    )
    memory_summary_words: int = _setting(
        "memory.summary_words", 120, "Length of a summary to ask for, in words.", low=20, high=2000
    )
    memory_chapter_scenes: int = _setting(
        "memory.chapter_scenes", 8, "So many summaries become a chapter; 0 writes none.", low=0, high=100
    )
    memory_scan_depth: int = _setting(
        "memory.scan_depth", 4, "How many messages are searched for keywords of memories.", low=1, high=100
    )
    memory_position: str = _setting(
        "memory.position",
        "auto",
        "Where memories stand: auto is the preset's own place for them, else before the history.",
        choices=("auto", "before_main", "after_main", "in_chat"),
    )
    memory_depth: int = _setting(
        "memory.depth", 4, "Messages below the memories, for the position in_chat.", low=0, high=10_000
    )
    memory_role: str = _setting(
        "memory.role",
        "system",
        "Who says the memories, for the position in_chat.",
        choices=("system", "user", "assistant"),
    )
    memory_recall_depth: int = _setting(
        "memory.recall_depth",
        2,
        "Messages below what the last messages call back.",
        low=0,
        high=10_000,
    )
    memory_scan: bool = _setting("memory.scan", False, "Search the memories for keys of worldbooks too.")
    memory_instruction_en: str = _setting(
        "memory.instruction_en", "", "Your own instruction for writing memories of stories in English."
    )
    memory_instruction_zh: str = _setting(
        "memory.instruction_zh", "", "Your own instruction for writing memories of stories in Chinese."
    )
    tracker_run: str = _setting(
        "tracker.run",
        "auto",
        "Revise trackers in the background after replies: auto with a model of your own and, once you "
        "agreed, with one that costs; always; or off.",
        choices=("auto", "always", "off"),
    )
    vectors_server: str = _setting(
        "vectors.server",
        "",
        "Base URL of a server for embeddings (OpenAI-compatible, llama.cpp, Ollama); empty uses keywords "
        "alone.",
    )
    vectors_model: str = _setting("vectors.model", "", "The model that makes the vectors there.")
    vectors_key_env: str = _setting(
        "vectors.key_env", "", "Environment variable that holds the key of that server, if it wants one."
    )
    bank_share: int = _setting(
        "bank.share",
        10,
        "Share of the window for passages of documents, in percent; 0 keeps them out.",
        low=0,
        high=60,
    )
    bank_depth: int = _setting(
        "bank.depth", 4, "Messages below the passages of documents.", low=0, high=10_000
    )
    api_url: str = _setting(
        "backend.api_url",
        "",
        "Address of a Lunalux backend; empty runs it in the program.",
        env="LUNALUX_API_URL",
    )
    storage: str = _setting(
        "backend.storage",
        "embedded",
        "Where the backend in the program keeps its data.",
        choices=("embedded", "aws"),
        env="LUNALUX_STORAGE",
    )
    market_nsfw: str = _setting(
        "market.nsfw", "exclude", "Market entries tagged NSFW.", choices=("exclude", "include", "only")
    )
    tags_en: tuple[str, ...] = _setting(
        "editor.tags_en",
        (
            "Adventure",
            "Comedy",
            "Daily life",
            "Fantasy",
            "Historical",
            "Horror",
            "Mystery",
            "Romance",
            "Sci-fi",
        ),
        "Tags the character editor offers in English.",
        env="NEXT_PUBLIC_TAG_EN",
    )
    tags_zh: tuple[str, ...] = _setting(
        "editor.tags_zh",
        ("冒险", "喜剧", "日常", "奇幻", "历史", "恐怖", "悬疑", "恋爱", "科幻"),
        "Tags the character editor offers in Chinese.",
        env="NEXT_PUBLIC_TAG_CN",
    )
    plugins: tuple[str, ...] = _setting("plugins.enabled", (), "Plug-ins that run, in this order.")

    paths: Paths = field(default_factory=Paths.find)
    models: Mapping[str, SavedModel] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, SettingSource] = field(default_factory=dict)
    problems: tuple[LunaluxError, ...] = ()

    @property
    def lang(self) -> Language:
        """The language in force, with `auto` resolved from the locale variables."""
        if self.language in {"en", "zh"}:
            return cast("Language", self.language)
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            if value := os.environ.get(name):
                return "zh" if value.startswith("zh") else "en"
        return "en"

    def get(self, key: str) -> Any:
        """The value of a dotted key. Raises NotFound (SETTING_UNKNOWN)."""
        return getattr(self, declaration(key).attribute)

    def source(self, key: str) -> SettingSource:
        return self.sources.get(key, "default")

    def with_value(self, key: str, value: Any, source: SettingSource = "flag") -> Settings:
        """A copy with one value changed. Raises InvalidInput (SETTING_INVALID)."""
        setting = declaration(key)
        changes: dict[str, Any] = {setting.attribute: checked(setting, value, "")}
        return replace(self, **changes, sources={**self.sources, key: source})


def _declarations() -> dict[str, Declaration]:
    table = {}
    for setting_field in fields(Settings):
        if "key" in setting_field.metadata:
            meta = dict(setting_field.metadata)
            table[meta["key"]] = Declaration(
                attribute=setting_field.name, default=setting_field.default, **meta
            )
    return table


DECLARATIONS: Mapping[str, Declaration] = _declarations()


def declaration(key: str) -> Declaration:
    """Raises NotFound (SETTING_UNKNOWN)."""
    try:
        return DECLARATIONS[key]
    except KeyError:
        raise NotFound(
            "SETTING_UNKNOWN",
            f"There is no setting {key!r}.",
            "`lunalux settings list` shows them all.",
            key=key,
        ) from None


def checked(setting: Declaration, value: Any, where: str | FileLine) -> Any:
    """`value` in the type of the setting; texts from the environment and the command line are read.

    Raises:
        InvalidInput: SETTING_INVALID, naming key, place and allowed values.
    """
    result = _coerced(setting, value)
    if result is None:
        shown = _shown(value)
        raise InvalidInput(
            "SETTING_INVALID",
            f"{setting.key} = {shown}{f' in {where}' if where else ''} is not allowed.",
            f"Allowed: {setting.allowed}. The default is used meanwhile."
            if where
            else f"Allowed: {setting.allowed}.",
            key=setting.key,
            value=shown.strip("'") or shown if isinstance(value, str) else shown,
            where=where,
            allowed=setting.allowed,
        )
    return result


def _shown(value: Any) -> str:
    """A value as a message can hold it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, a list of thousands of lists
        return "(too large to be shown)"
    return text if len(text) <= SHOWN_LIMIT else f"{text[:SHOWN_LIMIT]}…"


def _coerced(setting: Declaration, value: Any) -> Any:
    default = setting.default
    if setting.key == "language" and isinstance(value, str):
        # Locales are what people type: zh_CN, zh-CN, zh_CN.UTF-8, EN.
        value = re.split(r"[-_.]", value.strip().lower())[0]
    if isinstance(default, bool):
        if isinstance(value, str):
            return {"true": True, "1": True, "yes": True, "on": True, "false": False}.get(
                value.lower(), False if value.lower() in {"0", "no", "off"} else None
            )
        return value if isinstance(value, bool) else None
    if isinstance(default, (int, float)):
        try:
            number = type(default)(value)
        except (TypeError, ValueError, OverflowError):
            return None
        # NaN is within nothing: every comparison with it is false.
        within = (setting.low or 0) <= number <= (setting.high or 0)
        return number if within and not isinstance(value, bool) else None
    if isinstance(default, tuple):
        if isinstance(value, str):
            value = [item.strip() for item in value.split(",") if item.strip()]
        good = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return tuple(value) if good and all(map(_is_text, value)) else None
    # `worldbook.whole_words = true` in TOML is a truth value, and one of the words here.
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str) or (setting.choices and value not in setting.choices):
        return None
    return value if _is_text(value) else None


def _is_text(value: str) -> bool:
    """Whether this is valid text: lone surrogates (undecodable bytes) could not be written."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def load_settings(
    paths: Paths | None = None,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the configuration. Problems are collected in `Settings.problems`, never raised."""
    paths = paths or Paths.find(environ)
    problems: list[LunaluxError] = []
    text, document = _read(paths.config_file, problems)
    if environ.get("LUNALUX_HOME"):
        _look_for_stray(paths, problems)
    values: dict[str, Any] = {}
    sources: dict[str, SettingSource] = {}
    layers: tuple[tuple[SettingSource, str, Mapping[str, Any]], ...] = (
        ("file", str(paths.config_file), _flat(document)),
        (
            "environment",
            "the environment",
            {d.key: environ[d.env] for d in DECLARATIONS.values() if environ.get(d.env)},
        ),
        ("flag", "the command line", flags or {}),
    )
    for source, where, layer in layers:
        for key, value in layer.items():
            # A file of nothing but mistakes would fill the screen; the first ones are told.
            if len(problems) >= PROBLEMS_LIMIT:
                break
            setting = DECLARATIONS.get(key)
            place = place_of(where, text, key) if source == "file" else where
            if setting is None:
                if not key.startswith(("models.", "keys.")):
                    problems.append(_unknown(key, place))
                continue
            try:
                values[setting.attribute] = checked(setting, value, place)
                sources[key] = source
            except InvalidInput as error:
                problems.append(error)
    return Settings(
        **values,
        paths=paths,
        models=_models(document.get("models"), str(paths.config_file), text, problems),
        keys=_keys(_table(document, "keys"), str(paths.config_file), text, problems),
        sources=sources,
        problems=tuple(problems),
    )


def _look_for_stray(paths: Paths, problems: list[LunaluxError]) -> None:
    """Tell of a configuration that lies in LUNALUX_HOME itself, where it is not read."""
    stray = paths.config.parent / paths.config_file.name
    if stray.exists():
        problems.append(
            InvalidInput(
                "CONFIG_STRAY",
                f"{stray} is not read: the configuration is {paths.config_file}.",
                "Move it there.",
                path=str(stray),
                read=str(paths.config_file),
            )
        )


def _read(path: Path, problems: list[LunaluxError]) -> tuple[str, dict[str, Any]]:
    """The file as text and as a document, empty where it cannot be read."""
    from lunalux_core.config.toml_text import read_toml

    try:
        # A pipe or a device in its place would block the start or never end.
        if not stat.S_ISREG((state := path.stat()).st_mode) or state.st_size > FILE_LIMIT:
            raise OSError(errno.EINVAL, "it is no file of words")
        return read_toml(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return "", {}
    except ValueError as error:
        problems.append(
            InvalidInput(
                "CONFIG_UNREADABLE",
                f"{path} is not valid TOML: {error}",
                "Correct that line; the defaults are used meanwhile.",
                path=str(path),
                reason=str(error),
            )
        )
    except OSError as error:
        problems.append(
            InvalidInput(
                "CONFIG_UNREADABLE",
                f"{path} cannot be read: {error.strerror}",
                "Make it readable; the defaults are used meanwhile.",
                path=str(path),
                reason=str(error.strerror),
            )
        )
    return "", {}


def place_of(path: str, text: str, *key: str) -> FileLine:
    """A file, and the line of a key in it."""
    from lunalux_core.config.toml_lines import FileLine, line_of

    return FileLine(path, line_of(text, key))


def _models(table: Any, path: str, text: str, problems: list[LunaluxError]) -> Mapping[str, SavedModel]:
    if not table:
        return {}
    from lunalux_core.config.model_tables import read_models  # what a model is takes a while to load

    return read_models(table, path, text, problems)


def _keys(table: Mapping[str, Any], where: str, text: str, problems: list[LunaluxError]) -> dict[str, str]:
    """`[keys]`: an action's id and its keys, as a text with commas or as a list of texts."""
    keys: dict[str, str] = {}
    for action_id, value in _flat(table).items():
        if len(problems) >= PROBLEMS_LIMIT:
            break
        if isinstance(value, list) and all(isinstance(key, str) for key in value):
            value = ",".join(value)
        if isinstance(value, str) and value.strip():
            keys[action_id] = value
            continue
        place = place_of(where, text, "keys", action_id)
        problems.append(
            InvalidInput(
                "KEYS_INVALID",
                f"The keys of {action_id!r} in {place} are no text.",
                'Write them as "ctrl+y" or "ctrl+y,f9"; the default keys are used meanwhile.',
                action=action_id,
                where=place,
            )
        )
    return keys


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """The values by dotted key. A file may nest tables deeper than Python calls functions."""
    flat: dict[str, Any] = {}
    # A list instead of calls, and reversed, so that keys come in the order of the file.
    waiting: list[tuple[str, Any]] = list(document.items())[::-1]
    while waiting:
        key, value = waiting.pop()
        if not isinstance(value, dict) or key in DECLARATIONS:
            flat[key] = value
        elif len(key) > KEY_LIMIT:
            flat[f"{key[:KEY_LIMIT]}…"] = None
        else:
            waiting += [(f"{key}.{name}", item) for name, item in list(value.items())[::-1]]
    return flat


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key, {})
    return value if isinstance(value, dict) else {}


def _unknown(key: str, where: str | FileLine) -> InvalidInput:
    return InvalidInput(
        "SETTING_UNKNOWN",
        f"{where} has an unknown setting {key!r}.",
        "`lunalux settings list` shows the known ones.",
        key=key,
        where=where,
    )
