"""A hundred thousand broken files of every kind through every reader: only our own errors are raised."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from foreign_files import SEEDS, TAVERN_LINES

from lunalux_core.cards.card import Card
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.card_warnings import card_warnings
from lunalux_core.cards.export import export_card
from lunalux_core.cards.file_kind import recognise
from lunalux_core.cards.validation import validate
from lunalux_core.chat.conversation_files import titles_of
from lunalux_core.chatlogs.chatlog import write_jsonl, write_native, write_text
from lunalux_core.chatlogs.chatlog_reader import read_chats
from lunalux_core.chatlogs.markdown_chat import write_markdown
from lunalux_core.dialogue.assembly import assemble
from lunalux_core.dialogue.assembly.prompt_material import CardFields, HistoryMessage, PromptMaterial
from lunalux_core.errors import LunaluxError
from lunalux_core.importing.card_import import new_character
from lunalux_core.importing.shelf_documents import shelf_documents
from lunalux_core.macros.expansion import MacroContext, Variables, expander
from lunalux_core.presets.document import preset_document, read_preset
from lunalux_core.regex.script import parse_find, scripts_inside
from lunalux_core.worldbook.book_reader import read_book, write_book, write_character_book, write_world_info
from lunalux_core.worldbook.engine import (
    ActiveBook,
    ScanContext,
    ScanMessage,
    TimedState,
    Tools,
    WorldbookSettings,
    activate,
)

ROUNDS = 100_000
WILD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3.5, 1e308, -1e308, 10**400, 2**63, "", " ", "x", "²", "①", "1e999", "NaN",
    "true", "\ud83d", "\x00\x1b[2J", "a" * 3000, "{{", "{{setvar::a", "[[", "/(/", "/x/gg", "$1", [], {},
    "allBefore", [[]], [None], [1, "x", None, {}], {"": None}, {"a": {"b": []}}, {"entries": {}}, {"0": {}},
    "2024-5-1@99h00m00s", "June 99, 99999 3:04pm", -62135596800000, 253402300800000, "9999-12-31T23:59:59Z",
    "0001-01-01",
)  # fmt: skip


def mutated(document: Any, dice: random.Random) -> Any:
    """A document with one to four values replaced, taken away, doubled or moved."""
    document = deepcopy(document)
    for _ in range(dice.randint(1, 4)):
        places = list(_places(document))
        if not places:
            break
        holder, key = dice.choice(places)
        match dice.randrange(6):
            case 0:
                del holder[key]
            case 1:
                other, from_key = dice.choice(places)
                holder[key] = deepcopy(other[from_key]) if from_key in _keys(other) else None
            case 2 if isinstance(holder, dict):
                holder[dice.choice(WORDS)] = deepcopy(dice.choice(WILD))
            case 3 if isinstance(holder, list):
                holder.insert(key, deepcopy(dice.choice(WILD)))
            case _:
                holder[key] = deepcopy(dice.choice(WILD))
    return document


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(value: Any) -> Any:
    """Every (holder, key) below a value."""
    for key in list(_keys(value)) if isinstance(value, dict | list) else ():
        yield value, key
        yield from _places(value[key])


WORDS = sorted({key for seed in SEEDS.values() for holder, key in _places(seed) if isinstance(key, str)})


def through_every_reader(document: Any, *, lines: bool = False) -> None:
    """Recognise, read, write, scan and assemble; `lines` writes a list as JSON lines."""
    if lines and isinstance(document, list):
        data = "\n".join(json.dumps(line) for line in document).encode()
    else:
        data = json.dumps(document).encode()
    for step in (recognise, _card, _chat, lambda _: _shelves(document), lambda _: _book(document)):
        quietly(lambda step=step: step(data))  # type: ignore[misc]


def quietly(step: Callable[[], Any]) -> None:
    try:
        step()
    except LunaluxError:
        pass


def _card(data: bytes) -> None:
    loaded = read_card(data, "x.json")
    card = loaded.card
    for name in (name for name in dir(Card) if isinstance(getattr(Card, name), property)):
        getattr(card, name)
    card_warnings(card)
    validate(data, "x.json")
    new_character("c", loaded)
    card.normalised()
    for format in ("json", "png"):
        for spec in ("v2", "v3", None):
            quietly(lambda f=format, s=spec: export_card(card, f, spec=s))  # type: ignore[misc]
    for one in scripts_inside(card.regex_scripts):
        quietly(lambda one=one: parse_find(one.find))  # type: ignore[misc]
    context = MacroContext(char=card.name, description=card.description, first_message=card.first_mes)
    for text in card.greetings:
        expander(context, Variables())(text[:5000])
    if card.character_book is not None:
        _book(card.character_book)


def _chat(data: bytes) -> None:
    logs = read_chats(data, "x.json")
    titles_of(logs, "x")
    for log in logs:
        assert all(-1 <= node.parent < place for place, node in enumerate(log.nodes))
        assert all(0 <= node.sent_at < 253_402_300_800_000 for node in log.nodes)
        for write in (write_jsonl, write_markdown, write_text):
            write(log)
        again = read_chats(json.dumps(write_native(log)).encode()) if log.nodes else logs
        assert len(again) == 1 or not log.nodes


def _shelves(document: Any) -> None:
    for kind in ("worldbook", "preset", "regex"):
        quietly(lambda kind=kind: shelf_documents(kind, document, "x"))  # type: ignore[misc]
    quietly(lambda: _preset(document))


def _preset(document: Any) -> None:
    preset = read_preset(document, "x").preset
    preset_document(preset)
    history = (HistoryMessage("user", "Hi", "Bo"), HistoryMessage("assistant", "Hello", "Ada"))
    material = PromptMaterial(
        card=CardFields("Ada", description="d", mes_example="<START>\nAda: x"), history=history
    )
    assemble(preset, material, expand=expander(MacroContext(char="Ada")), count_tokens=len)


def _book(document: Any) -> None:
    book = read_book(document, "x").book
    for write in (write_book, write_world_info, write_character_book):
        read_book(write(book), "x")
    activate(
        [ActiveBook(book, "global", True)],
        [ScanMessage("Bo", "the bell and the gong", True)],
        WorldbookSettings(),
        ScanContext(character="Ada", max_context=4096),
        Tools(expander(MacroContext(char="Ada")), len, lambda: 0.5, lambda *_: False),
        TimedState(),
    )


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_every_kind_is_read_as_it_is(name: str) -> None:
    through_every_reader(SEEDS[name])
    through_every_reader(SEEDS[name], lines=name == "tavern_lines")


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_some_of_the_broken_files(name: str) -> None:
    """The first of the many below, so that every run of the suite has tried some."""
    _try(name, 40)


FOUND: tuple[Any, ...] = (
    {"spec": "chara_card_v3", "spec_version": 10**400, "data": {"name": "x"}},
    {"messages": [{"parent": -1, "role": [], "name": "", "content": ""}], "format": "lunalux-conversation"},
    [{"chat_metadata": {}}, {"name": "Ada", "is_user": False, "mes": "x", "send_date": "²"}],
    {"nodes": [{"nodeId": "a", "parentNodeId": "a"}]},
)
"""Documents that broke a reader once."""


@pytest.mark.parametrize("place", range(len(FOUND)))
def test_what_was_found_stays_mended(place: int) -> None:
    through_every_reader(FOUND[place])
    through_every_reader(FOUND[place], lines=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEEDS))
def test_a_hundred_thousand_broken_files(name: str) -> None:
    _try(name, -(-ROUNDS // len(SEEDS)))


def _try(name: str, rounds: int) -> None:
    for number in range(rounds):
        dice = random.Random(f"{name} {number}")
        document = mutated(SEEDS[name], dice)
        try:
            through_every_reader(document, lines=SEEDS[name] is TAVERN_LINES and number % 2 == 0)
        except Exception as error:
            raise AssertionError(f"{name} {number}: {json.dumps(document)[:3000]}") from error
