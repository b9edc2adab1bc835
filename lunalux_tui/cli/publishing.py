"""Card files to the market: one, or a folder with a manifest that can be started again."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import read_file
from lunalux_tui.cli.shelf_commands import read_json

if TYPE_CHECKING:
    from lunalux_core.language import Language
    from lunalux_core.runtime import Runtime

MANIFEST = "manifest.json"


async def publish_one(
    runtime: Runtime, path: Path, lang: Language, intro: str, tags: tuple[str, ...], name: str = ""
) -> dict[str, Any]:
    """Publish one card file. Raises InvalidInput, NotFound, NetworkError, BackendError."""
    png = card_png(path)

    def progress(step: str) -> None:
        if sys.stderr.isatty():
            output.say(f"publish.{step}", name=path.name)

    identity = await runtime.market.publish(
        png, f"{path.stem}.png", lang, intro, name=name or None, tags=tags, progress=progress
    )
    return {"id": identity, "path": str(path), "language": lang, "tags": list(tags)}


def card_png(path: Path) -> bytes:
    """The PNG card to publish; other kinds of card files become one."""
    from lunalux_core.cards.card_pictures import as_png
    from lunalux_core.cards.card_reader import read_card
    from lunalux_core.cards.export import export_card

    data = read_file(path)
    loaded = read_card(data, path.name)
    if loaded.source_format == "png":
        return data
    picture = as_png(loaded.picture) if loaded.picture is not None else None
    return export_card(loaded.card, "png", picture=picture)


async def publish_batch(runtime: Runtime, folder: Path, *, again: bool, as_json: bool) -> int:
    """Publish what a folder's manifest names; returns how many failed. A bad card never stops the batch."""
    entries = _manifest(folder)
    count = {"published": 0, "skipped": 0, "failed": 0}
    for entry in entries:
        result = await _entry(runtime, folder, entry, again=again)
        count[result["status"]] += 1
        if as_json:
            output.print_line(result)
        elif result["error"] is not None:
            output.note(f"{result['path']}: {result['error']['message']}")
        else:
            output.print_text(f"{result['status']}\t{result['id']}\t{result['path']}")
    if as_json:
        output.print_line({"summary": count})
    else:
        output.say("published", **count)
    return count["failed"]


async def _entry(runtime: Runtime, folder: Path, entry: Any, *, again: bool) -> dict[str, Any]:
    named = entry.get("path") if isinstance(entry, dict) else None
    result: dict[str, Any] = {"path": str(named or ""), "status": "failed", "id": None, "error": None}
    try:
        path, lang, intro, tags, name = _checked(folder, entry)
        digest = hashlib.sha256(read_file(path)).hexdigest()
        # By content and place: a changed card is another one, and another backend has none of them.
        memory = f"published:{runtime.place}:{lang}:{digest}"
        before = None if again else await runtime.library.state.get(memory)
        if before:
            return {**result, "status": "skipped", "id": before}
        row = await publish_one(runtime, path, lang, intro, tags, name)
        # At once, so that a batch that is stopped after it does not publish the card a second time.
        await runtime.library.state.set(memory, row["id"])
        return {**result, "status": "published", "id": row["id"]}
    except LunaluxError as error:
        return {**result, "error": {"code": error.code, "message": output.sentence(error)[0]}}


def _manifest(folder: Path) -> list[Any]:
    document = read_json(folder / MANIFEST)
    if not isinstance(document, list):
        raise InvalidInput(
            "MANIFEST_INVALID",
            f"{folder / MANIFEST} is no list of cards.",
            'Write an array of {"path", "lang", "intro", "tags"}.',
            path=str(folder / MANIFEST),
        )
    return document


def _checked(folder: Path, entry: Any) -> tuple[Path, Language, str, tuple[str, ...], str]:
    """What a line of the manifest says; its path stays within the folder."""

    def wrong(what: str, kind: str) -> InvalidInput:
        named = f"The card {entry['path']}" if kind != "path" else "A card"
        return InvalidInput(
            "MANIFEST_INVALID",
            f"{named} of the manifest has {what}.",
            'Write {"path", "lang": "en" or "zh", "intro", "tags"}.',
            kind=kind,
            path="" if kind == "path" else entry["path"],
        )

    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise wrong("no path", "path")
    # A manifest may come from somebody else, and must not publish other files of this computer.
    path = (folder / entry["path"]).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise wrong("a path outside of its folder", "outside")
    if entry.get("lang") not in {"en", "zh"}:
        raise wrong("a language that is neither en nor zh", "language")
    tags = entry.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise wrong("tags that are no list of texts", "tags")
    intro, name = entry.get("intro", ""), entry.get("name", "")
    if not isinstance(intro, str) or not isinstance(name, str):
        raise wrong(f"an intro or name that is no text: {json.dumps(intro)[:40]}", "texts")
    return path, cast("Language", entry["lang"]), intro, tuple(tags), name
