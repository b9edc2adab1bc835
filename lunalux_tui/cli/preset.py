"""`lunalux preset`: the shelf of presets with the built-in ones, `preset show` and `preset test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.library.shelf import ShelfItem
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, free_path, write_file
from lunalux_tui.cli.run import in_runtime
from lunalux_tui.cli.shelf_commands import JSON, NAME, scenario_command, shelf_app, summary
from lunalux_tui.i18n import has, t

if TYPE_CHECKING:
    from lunalux_core.presets.document import Preset


preset_app = shelf_app("preset", "Manage and show presets.", own=True)
commands = {"preset": preset_app}


@preset_app.command("list")
@in_runtime
async def list_presets(runtime: Runtime, as_json: bool = JSON) -> None:
    """Every preset, imported and built-in; the one in use is marked.

    Example: lunalux preset list --json
    """
    from lunalux_core.presets.builtin import builtin_presets

    shelf = await runtime.library.presets.list()
    # One of the shelf goes before the setting: then no built-in one is in use.
    imported = any(item.enabled for item in shelf)
    rows = [{**summary(item), "title": item.name, "builtin": False} for item in shelf]
    rows += [
        {
            "id": preset.key,
            "name": preset.key,
            "enabled": not imported and runtime.settings.preset == preset.key,
            "title": preset.title,
            "builtin": True,
        }
        for preset in builtin_presets(runtime.settings.lang)
    ]
    if as_json:
        output.print_json(rows)
    else:
        output.print_table(
            ["id", "on", "title"],
            [[r["id"], output.label("on") if r["enabled"] else "", r["title"]] for r in rows],
        )


@preset_app.command("enable")
@in_runtime
async def enable(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Put a preset in use; a built-in one becomes the setting chat.preset.

    Example: lunalux preset enable novel_king
    """
    item = await find_preset(runtime, name)
    if not isinstance(item, str):
        await runtime.library.presets.enable(item.id)
        row = {**summary(item), "enabled": True}
    else:
        from lunalux_core.config.config_file import set_value

        # A preset of the shelf wins over the setting, so all of them have to be off.
        for other in await runtime.library.presets.list(enabled_only=True):
            await runtime.library.presets.enable(other.id, False)
        set_value(runtime.paths.config_file, "chat.preset", item)
        row = {"id": item, "name": item, "enabled": True}
    if as_json:
        output.print_json(row)
    else:
        output.say("in_use", name=row["name"])


@preset_app.command("export")
@in_runtime
async def export(
    runtime: Runtime,
    name: str = NAME,
    path: Path = typer.Argument(),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a preset, imported or built-in, as a SillyTavern file.

    Example: lunalux preset export mirror_realm mirror.json
    """
    import json

    from lunalux_core.presets.document import preset_document

    preset, _ = await _load(runtime, name)
    text = json.dumps(preset_document(preset), ensure_ascii=False, indent=4) + "\n"
    write_file(free_path(path, force=force), text.encode("utf-8", "replace"))
    if as_json:
        output.print_json({"id": await _identity(runtime, name), "name": preset.name, "path": str(path)})
    else:
        output.say("written", path=path)


@preset_app.command()
@in_runtime
async def show(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """The slots of a preset in order, with roles and tokens.

    Example: lunalux preset show mirror_realm
    """
    preset, enabled = await _load(runtime, name)
    slots = _slots(preset)
    if as_json:
        output.print_json(
            {
                "id": await _identity(runtime, name),
                "name": preset.name,
                "source": preset.source,
                "assembly": preset.assembly,
                "enabled": enabled,
                "slots": slots,
                "tokens": sum(slot["tokens"] for slot in slots if slot["enabled"]),
            }
        )
        return
    output.print_table(
        ["", "on", "role", "where", "tokens", "slot", "name"],
        [
            [
                number,
                output.label("on") if slot["enabled"] else "",
                slot["role"],
                t("cli.at_depth", n=slot["depth"]) if slot["position"] == "in_chat" else "",
                t("cli.filled") if slot["marker"] else slot["tokens"],
                slot["identifier"],
                _title(slot, ours=preset.source == "builtin"),
            ]
            for number, slot in enumerate(slots, 1)
        ],
    )


def _title(slot: dict[str, Any], *, ours: bool) -> str:
    """The name of a slot; in the person's language where the preset is built in or the program fills it."""
    key = f"inspector.slot.{slot['identifier']}"
    return t(key) if (ours or slot["marker"] or not slot["name"]) and has(key) else str(slot["name"])


scenario_command(
    preset_app,
    "presets",
    "Replay a file of prompt scenarios and print a JSON array of results.\n\n"
    "Example: lunalux preset test --scenarios scenarios.json",
)


async def find_preset(runtime: Runtime, name: str) -> ShelfItem | str:
    """As `named_preset`, by the titles of the person's language."""
    from lunalux_core.library.presets import named_preset

    return await named_preset(runtime.library.presets, name, runtime.settings.lang)


async def _identity(runtime: Runtime, name: str) -> str:
    item = await find_preset(runtime, name)
    return item if isinstance(item, str) else item.id


async def _load(runtime: Runtime, name: str) -> tuple[Preset, bool]:
    """A preset by name or id, and whether it is in use."""
    from lunalux_core.presets.builtin import load_builtin
    from lunalux_core.presets.document import read_preset

    item = await find_preset(runtime, name)
    if not isinstance(item, str):
        return read_preset(item.document, item.name).preset, item.enabled
    imported = await runtime.library.presets.list(enabled_only=True)
    return load_builtin(item, runtime.settings.lang), not imported and runtime.settings.preset == item


def _slots(preset: Preset) -> list[dict[str, Any]]:
    from lunalux_core.llm.tokens import estimator

    count = estimator("")
    slots = []
    for identifier, enabled in preset.order:
        prompt = preset.prompt(identifier)
        slots.append(
            {
                "identifier": identifier,
                "name": prompt.name if prompt else "",
                "role": prompt.role if prompt else "system",
                "enabled": enabled and prompt is not None,
                "marker": prompt is not None and prompt.marker,
                "position": "in_chat" if prompt and prompt.absolute else "relative",
                "depth": prompt.depth if prompt and prompt.absolute else None,
                "order": prompt.order if prompt and prompt.absolute else None,
                # A marker is filled by the turn; its size is not known before.
                "tokens": count.text(prompt.content) if prompt and not prompt.marker else 0,
                "content": prompt.content if prompt else "",
            }
        )
    return slots
