"""Writing config.toml: one value changed, everything else of the person's file kept.

A file that does not exist yet is first written with every setting in it, commented out, so that it
documents itself. Writes are atomic: a crash leaves the old file or the new one.

See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from lunalux_core.config import file_words
from lunalux_core.config.file_lock import locked, write_whole
from lunalux_core.config.settings import DECLARATIONS, SavedModel, checked, declaration
from lunalux_core.config.toml_text import read_toml
from lunalux_core.database import storage_error
from lunalux_core.diagnostics.redaction import without_password
from lunalux_core.errors import InvalidInput
from lunalux_core.llm.parameters import plain_value


def template() -> str:
    """The commented file that documents every setting."""
    words = file_words.current()
    lines = [f"# {words.head()}", ""]
    section = ""
    # Keys without a section first: in TOML they would otherwise belong to the table above.
    for setting in sorted(DECLARATIONS.values(), key=lambda d: ("." in d.key, d.key.split(".")[0])):
        head, _, name = setting.key.rpartition(".")
        if head != section:
            lines += [f"[{head}]"]
            section = head
        help_text = words.help_of(setting.key, setting.help)
        lines += [f"# {help_text}", f"# {words.allowed(setting.allowed)}"]
        lines += [f"# {name} = {tomlkit.item(_plain(setting.default)).as_string()}", ""]
    return "\n".join(lines)


def set_value(path: Path, key: str, value: Any) -> Any:
    """Store one setting and return it in its own type.

    Raises:
        NotFound: SETTING_UNKNOWN. InvalidInput: SETTING_INVALID. StorageError: the file cannot be written.
    """
    good = checked(declaration(key), value, "")
    # Checked above, before the file is opened: a bad value must not even touch it.
    with _editing(path) as document:
        table, name = _place(document, key)
        table[name] = _plain(good)
    return good


def reset_value(path: Path, key: str) -> None:
    """Remove one setting from the file, so that its default is in force again."""
    declaration(key)
    with _editing(path) as document:
        table, name = _place(document, key)
        table.pop(name, None)


def save_model(path: Path, config: SavedModel) -> None:
    """Add a model configuration, or replace the one of that name.

    Raises:
        InvalidInput: MODEL_URL_PASSWORD; a file that is copied, shown and backed up is no place for one.
    """
    if without_password(config.base_url) != config.base_url:
        raise InvalidInput(
            "MODEL_URL_PASSWORD",
            "The address of the model holds a password, which would stand in the configuration file.",
            "Leave them out, and give the key with --key-stdin or --key-env.",
        )
    entry = tomlkit.table()
    entry["provider"] = config.provider
    entry["model"] = config.model
    if config.base_url:
        entry["base_url"] = config.base_url
    if config.key_env:
        entry["key_env"] = config.key_env
    if config.context_tokens is not None:
        entry["context_tokens"] = config.context_tokens
    options = config.options
    if options.timeout:
        entry["timeout"] = options.timeout
    if not options.stream:
        entry["stream"] = False
    if options.post_process:
        entry["post_process"] = options.post_process
    if options.thinking_marks:
        entry["thinking_marks"] = list(options.thinking_marks)
    if options.prefill:
        entry["prefill"] = options.prefill
    if options.images:
        entry["images"] = options.images
    if config.mode != "chat":
        entry["mode"] = config.mode
    if config.template:
        entry["template"] = config.template
    if options.drop:
        entry["drop"] = list(options.drop)
    if options.price:
        entry["price"] = list(options.price)
    if options.extra_body:
        entry["extra_body"] = _table(options.extra_body)
    if options.headers:
        entry["headers"] = dict(options.headers)
    if config.sampling:
        entry["sampling"] = {
            name: _table(value) if isinstance(value, Mapping) else plain_value(value)
            for name, value in config.sampling.items()
        }
    with _editing(path) as document:
        # A person may have written `models = "…"`: no table can be added to that.
        if not isinstance(document.get("models", {}), (Table, dict)):
            del document["models"]
        document.setdefault("models", tomlkit.table(is_super_table=True))[config.name] = entry


def _table(value: Mapping[str, Any]) -> Any:
    """An object as TOML can hold it; one with a null in it as JSON text, for TOML has none."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        # Written and read back: what does not come through, such as a null, is kept as text.
        tomllib.loads(tomlkit.dumps({"x": json.loads(text)}))
    except (ValueError, TypeError, RecursionError, TOMLKitError):
        return text
    return json.loads(text)


def remove_model(path: Path, name: str) -> bool:
    """Remove a model configuration; False when there was none of that name."""
    with _editing(path) as document:
        models = document.get("models", {})
        there = isinstance(models, (Table, dict)) and name in models
        if there:
            del models[name]
    return there


def set_keys(path: Path, changes: Mapping[str, str | None]) -> None:
    """Store the keys of some actions in `[keys]`; None removes an entry, so that its default is in force."""
    with _editing(path) as document:
        if not isinstance(document.get("keys", {}), (Table, dict)):
            del document["keys"]
        table = document.setdefault("keys", tomlkit.table())
        for action_id, keys in changes.items():
            group, _, name = action_id.partition(".")
            # A file may have the key as "chat.send" or as a table chat: both spellings make way for one.
            table.pop(action_id, None)
            if isinstance(table.get(group), (Table, dict)):
                table[group].pop(name, None)
            if keys is not None:
                table[action_id] = keys


@contextmanager
def _editing(path: Path) -> Iterator[tomlkit.TOMLDocument]:
    """The file as it is, to be changed; written where it was changed. No other program writes it meanwhile.

    Raises:
        InvalidInput: CONFIG_UNREADABLE; a file that cannot be understood is never overwritten.
        StorageError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            data = _bytes(path)
            # Read before it is changed, as at a start: a mistake is told in the same words.
            read_toml(data)
            text = data.decode("utf-8-sig")
            document = tomlkit.parse(text)
            yield document
            after = tomlkit.dumps(document)
            # What would not be read at the next start is never written.
            tomllib.loads(after)
            # A file that is as it was keeps its time, and other programs need not read it again.
            if after != text or not path.exists():
                # A byte order mark that some editor has put there stays.
                mark = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
                write_whole(path, after.encode(mark))
    except OSError as error:
        raise storage_error(error, path) from error
    except (ValueError, TOMLKitError, RecursionError) as error:
        raise InvalidInput(
            "CONFIG_UNREADABLE",
            f"{path} is not valid TOML: {error}",
            "Correct that line; nothing was changed.",
            path=str(path),
            reason=str(error),
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return template().encode()


def _place(document: tomlkit.TOMLDocument, key: str) -> tuple[Any, str]:
    *sections, name = key.split(".")
    table: Any = document
    for section in sections:
        if not isinstance(table.get(section), (Table, dict)):
            table[section] = tomlkit.table()
        table = table[section]
    return table, name


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
