"""`lunalux settings` and `lunalux paths`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.config.settings import DECLARATIONS, declaration
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_tui.cli import output
from lunalux_tui.cli.run import command_settings, with_runtime
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

settings_app = typer.Typer(help="Show and change settings.", no_args_is_help=True, add_completion=False)
paths_app = typer.Typer(add_completion=False)
commands = {"settings": settings_app, "paths": paths_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")


@settings_app.command("list")
def list_settings(
    beginning: str = typer.Argument("", help="Only keys that begin so, e.g. chat."), as_json: bool = JSON
) -> None:
    """Every setting with its value and where the value comes from.

    With --json, the help and the allowed values are in English whatever the language.

    Example: lunalux settings list chat --json
    """
    settings = command_settings()
    rows = [
        {
            "id": key,
            "name": key,
            "key": key,
            "value": _plain(settings.get(key)),
            "source": settings.source(key),
            "default": _plain(setting.default),
            "allowed": setting.allowed,
            "help": setting.help,
        }
        for key, setting in DECLARATIONS.items()
        if key.startswith(beginning.strip().casefold())
    ]
    if not rows:
        raise _unknown(beginning)
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(
            ["key", "value", "from", "help"],
            [
                [
                    row["key"],
                    _shown(row["value"]),
                    t(f"cli.from.{row['source']}"),
                    t(f"setting.{row['key']}.help"),
                ]
                for row in rows
            ],
        )


@settings_app.command("get")
def get_setting(key: str = typer.Argument(help="Dotted name, e.g. chat.model"), as_json: bool = JSON) -> None:
    """One value.

    Example: lunalux settings get chat.model
    """
    settings = command_settings()
    key = _named(key)
    value = _plain(settings.get(key))
    if as_json:
        output.print_json(
            {"id": key, "name": key, "key": key, "value": value, "source": settings.source(key)}
        )
    else:
        output.print_text(_shown(value))


@settings_app.command("set", context_settings={"ignore_unknown_options": True})
def set_setting(
    key: str = typer.Argument(help="Dotted name, e.g. chat.model"),
    value: str | None = typer.Argument(None, help="The new value."),
    default: bool = typer.Option(False, "--default", help="Go back to the default."),
    as_json: bool = JSON,
) -> None:
    """Store one value in config.toml; everything else of the file is kept.

    Example: lunalux settings set chat.reply_words 300
    """
    from lunalux_core.config.config_file import reset_value, set_value

    if value is None and not default:
        hint = "Try the same command with --help."
        raise InvalidInput("USAGE", "VALUE is missing.", hint, kind="argument", value="VALUE")
    value = value or ""
    if value.startswith("-") and not _is_number(value):  # the parser leaves these for the sake of -5
        hint = "Try the same command with --help."
        raise InvalidInput("USAGE", f"There is no option {value}.", hint, kind="option", value=value)
    path = command_settings().paths.config_file
    key = _named(key)
    if default:
        reset_value(path, key)
        stored = declaration(key).default
    else:
        # Only these need the library; everything else is stored without opening it.
        if key in _NAMES_A_THING and value.strip():
            name = value.strip()
            value = with_runtime(lambda runtime: _whole(runtime, key, name))
        stored = set_value(path, key, value)
    if as_json:
        output.print_json({"id": key, "name": key, "key": key, "value": _plain(stored), "file": str(path)})
    else:
        output.note(f"{key} = {_shown(_plain(stored))}  ({path})")


_NAMES_A_THING = ("chat.model", "memory.model", "chat.preset", "ui.theme")
"""Settings whose value is the name of something: one that nothing has would fail only when it is used."""


async def _whole(runtime: Runtime, key: str, name: str) -> str:
    """The whole name of what is there.

    Raises:
        NotFound: MODEL_UNKNOWN, PRESET_NOT_FOUND, THEME_NOT_FOUND.
    """
    if key == "ui.theme":
        from lunalux_core.library.name_lookup import missing
        from lunalux_tui.theme.theme_files import load_themes

        themes, _ = load_themes(runtime.paths.themes)
        if name not in themes:
            hint = f"Your own themes stand in {runtime.paths.themes}."
            raise missing("THEME_NOT_FOUND", f"There is no theme {name!r}.", hint, name, themes)
        return name
    if key == "chat.preset":
        from lunalux_tui.cli.preset import find_preset

        preset = await find_preset(runtime, name)
        return preset if isinstance(preset, str) else preset.name
    return runtime.models.resolve(name).name


@paths_app.command()
def paths(as_json: bool = JSON) -> None:
    """Show where configuration, data and cache live.

    Example: lunalux paths --json
    """
    files = command_settings().paths
    rows = {
        "config": files.config_file,
        "data": files.data,
        "cache": files.cache,
        "library": files.library,
        "pictures": files.pictures,
        "themes": files.themes,
        "plugins": files.plugins,
        "backups": files.backups,
        "exports": files.exports,
        "backend": files.backend,
        "logs": files.logs,
    }
    if as_json:
        output.print_json({name: str(path) for name, path in rows.items()})
    else:
        output.print_table(
            ["what", "where"], [[output.label(name), str(path)] for name, path in rows.items()]
        )


def _named(key: str) -> str:
    """The full key of a setting. Raises NotFound (SETTING_UNKNOWN), with the nearest keys."""
    from lunalux_core.library.name_lookup import full_name

    whole = full_name(key, DECLARATIONS)
    if whole is None:
        raise _unknown(key)
    return whole


def _unknown(key: str) -> NotFound:
    from lunalux_core.library.name_lookup import missing

    hint = "`lunalux settings list` shows them all."
    return missing("SETTING_UNKNOWN", f"There is no setting {key!r}.", hint, key, DECLARATIONS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, list) else str(value)
