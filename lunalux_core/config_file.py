"""Writing config.toml: one value changed, everything else of the person's file kept.

A file that does not exist yet is first written with every setting in it, commented out, so that it
documents itself. Writes are atomic: a crash leaves the old file or the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Table

from lunalux_core.database import storage_error
from lunalux_core.errors import InvalidInput
from lunalux_core.settings import DECLARATIONS, ModelConfig, checked, declaration


def template() -> str:
    """The commented file that documents every setting (SPEC 2, configuration file)."""
    lines = ["# Lunalux configuration. Every setting with its default; remove the # to change one.", ""]
    section = ""
    for known in sorted(DECLARATIONS.values(), key=lambda d: ("." in d.key, d.key.split(".")[0])):
        head, _, name = known.key.rpartition(".")
        if head != section:
            lines += [f"[{head}]"]
            section = head
        lines += [f"# {known.help}", f"# Allowed: {known.allowed}."]
        lines += [f"# {name} = {tomlkit.item(_plain(known.default)).as_string()}", ""]
    return "\n".join(lines)


def set_value(path: Path, key: str, value: Any) -> Any:
    """Store one setting and return it in its own type.

    Raises:
        NotFound: SETTING_UNKNOWN. InvalidInput: SETTING_INVALID. StorageError: the file cannot be written.
    """
    good = checked(declaration(key), value, "")
    document = _load(path)
    table, name = _place(document, key)
    table[name] = _plain(good)
    _save(path, document)
    return good


def reset_value(path: Path, key: str) -> None:
    """Remove one setting from the file, so that its default is in force again."""
    declaration(key)
    document = _load(path)
    table, name = _place(document, key)
    table.pop(name, None)
    _save(path, document)


def save_model(path: Path, config: ModelConfig) -> None:
    """Add a model configuration, or replace the one of that name."""
    document = _load(path)
    entry = tomlkit.table()
    entry["provider"] = config.provider
    entry["model"] = config.model
    if config.base_url:
        entry["base_url"] = config.base_url
    if config.key_env:
        entry["key_env"] = config.key_env
    entry["context_tokens"] = config.context_tokens
    if config.mode != "chat":
        entry["mode"] = config.mode
    if config.template:
        entry["template"] = config.template
    if config.sampling:
        entry["sampling"] = dict(config.sampling)
    document.setdefault("models", tomlkit.table(is_super_table=True))[config.name] = entry
    _save(path, document)


def remove_model(path: Path, name: str) -> bool:
    """Remove a model configuration; False when there was none of that name."""
    document = _load(path)
    models = document.get("models", {})
    if name not in models:
        return False
    del models[name]
    _save(path, document)
    return True


def set_keys(path: Path, changes: Mapping[str, str | None]) -> None:
    """Store the keys of some actions in `[keys]`; None removes an entry, so that its default is in force."""
    document = _load(path)
    table = document.setdefault("keys", tomlkit.table())
    for action_id, keys in changes.items():
        group, _, name = action_id.partition(".")
        table.pop(action_id, None)
        if isinstance(table.get(group), (Table, dict)):
            table[group].pop(name, None)
        if keys is not None:
            table[action_id] = keys
    _save(path, document)


def _load(path: Path) -> tomlkit.TOMLDocument:
    """The file as it is.

    Raises:
        InvalidInput: CONFIG_UNREADABLE; a file that cannot be understood is never overwritten.
    """
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return tomlkit.parse(template())
    except OSError as error:
        raise storage_error(error, path) from error
    except ValueError as error:  # tomlkit's ParseError tells the line; bytes that are no UTF-8 are one too
        raise InvalidInput(
            "CONFIG_UNREADABLE",
            f"{path} is not valid TOML: {error}",
            "Correct that line; nothing was changed.",
            path=str(path),
            reason=str(error),
        ) from error


def _place(document: tomlkit.TOMLDocument, key: str) -> tuple[Any, str]:
    *sections, name = key.split(".")
    table: Any = document
    for section in sections:
        if not isinstance(table.get(section), (Table, dict)):
            table[section] = tomlkit.table()
        table = table[section]
    return table, name


def _save(path: Path, document: tomlkit.TOMLDocument) -> None:
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
