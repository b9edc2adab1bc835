"""From a readable source to a card: the short form in `sources/` becomes a whole V3 document in a PNG."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from lunalux_core import starter
from lunalux_core.backend.market.thumbnail_worker import thumbnail
from lunalux_core.cards.card import Card
from lunalux_core.cards.png_card import write_png
from tools.starter_art import (
    bookshop,
    cable_house,
    candle_map,
    caravan,
    hill_radio,
    moon_dish,
    night_bus,
    night_shop,
    old_stage,
    pigeonholes,
    river,
    roof_garden,
    salvage,
    shadow_play,
    sword_school,
    under_bridge,
)

SCENES = {
    "marigold-finch.en": bookshop.bookshop,
    "lin-wandeng.zh": night_shop.night_shop,
    "captain-sol-varga.en": salvage.salvage,
    "lu-tingxue.zh": river.cold_river,
    "garrow-underbridge.en": under_bridge.under_bridge,
    "xu-dachuan.zh": night_bus.night_bus,
    "wren-halloran.en": hill_radio.hill_radio,
    "kang-jiuniang.zh": caravan.caravan,
    "ambrose-pettibone.en": pigeonholes.pigeonholes,
    "tie-jiaolian.zh": sword_school.sword_school,
    "honora-devane.en": cable_house.cable_house,
    "cheng-wang.zh": moon_dish.moon_dish,
    "odalys-reyes.en": roof_garden.roof_garden,
    "xie-sangeng.zh": old_stage.old_stage,
    "ravel.en": candle_map.candle_map,
    "liu-sanxian.zh": shadow_play.shadow_play,
}
"""The picture of each card, by the name of its source file."""

SOURCES = Path(__file__).resolve().parent / "sources"
CARDS = Path(starter.__file__).resolve().parent
_POSITIONS = {"before": 0, "after": 1, "depth": 4}
_COPIED = (
    "description",
    "personality",
    "scenario",
    "first_mes",
    "alternate_greetings",
    "mes_example",
    "creator_notes",
    "creator",
    "character_version",
    "tags",
    "creation_date",
)


def pack(target: Path) -> Iterator[Path]:
    """Paint and write every card into `target`, and beside it the small picture that the market shows."""
    for name, paint in SCENES.items():
        source = yaml.safe_load((SOURCES / f"{name}.yaml").read_text("utf-8"))
        picture = BytesIO()
        paint().save(picture, "PNG", optimize=True)
        path = target / f"{name}.png"
        path.write_bytes(write_png(picture.getvalue(), card_from(source)))
        path.with_suffix(".webp").write_bytes(thumbnail(path.read_bytes()))
        yield path


def card_from(source: dict[str, Any]) -> Card:
    """The V3 card a source file describes."""
    fields = {key: _stripped(source[key]) for key in _COPIED}
    fields["modification_date"] = source["creation_date"]
    if "nickname" in source:
        fields["nickname"] = source["nickname"]
    fields["assets"] = [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}]
    fields["character_book"] = _book(source["worldbook"])
    fields["extensions"] = {
        "talkativeness": 0.5,
        "fav": False,
        "world": "",
        "depth_prompt": {"prompt": "", "depth": 4, "role": "system"},
        "custom_fields": {"user_description": source["intro"].strip()},
    }
    return Card.new(source["name"], **fields)


def _book(source: dict[str, Any]) -> dict[str, Any]:
    whole_words = source.get("whole_words", False)
    entries = [_entry(number, entry, whole_words) for number, entry in enumerate(source["entries"])]
    return {"name": source["name"], "extensions": {}, "entries": entries}


def _entry(number: int, source: dict[str, Any], whole_words: bool) -> dict[str, Any]:
    """A lorebook entry as SillyTavern writes it.

    English has spaces between words, so there a key like "cat" need not fire on "catch"; Chinese has none.
    """
    position = _POSITIONS[source["position"]]
    return {
        "id": number,
        "keys": source.get("keys", []),
        "secondary_keys": [],
        "comment": source["title"],
        "content": source["content"].strip(),
        "constant": source.get("constant", False),
        "selective": False,
        "insertion_order": source["order"],
        "enabled": True,
        "position": "before_char" if position == 0 else "after_char",
        "use_regex": False,
        "extensions": {
            "position": position,
            "depth": source.get("depth", 4),
            "role": 0,
            "probability": 100,
            "useProbability": True,
            "selectiveLogic": 0,
            "exclude_recursion": True,
            "prevent_recursion": False,
            "match_whole_words": whole_words,
            "display_index": number,
        },
    }


def _stripped(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    return [_stripped(item) for item in value] if isinstance(value, list) else value
