"""What other programs export, read as it was meant there: chats, characters, lorebooks, scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign_files import SEEDS

from lunalux_core.cards.card import Card
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.card_warnings import card_warnings
from lunalux_core.cards.file_kind import FileKind, recognise_document
from lunalux_core.chatlogs.chatlog import ChatLog
from lunalux_core.chatlogs.chatlog_dates import parse_date, st_date
from lunalux_core.chatlogs.chatlog_reader import read_chats
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.importing.shelf_documents import shelf_documents
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.regex.substitution import run_scripts
from lunalux_core.worldbook.book_reader import Entry, read_book

KINDS = {
    FileKind.CARD: ("card", "agnai_character", "faraday", "risu_character", "tavernai_card"),
    FileKind.CHAT: (
        "ooba", "agnai_chat", "risu_chats", "kobold", "kobold_instruct", "kobold_adventure", "kobold_story",
        "kobold_old", "kobold_raw", "cai", "cai_turns", "cai_offline", "narratium", "ours", "tavern_lines",
    ),
    FileKind.WORLDBOOK: (
        "janitor", "novelai", "agnai_book", "risu_book", "kobold_book", "narratium_book", "world_info",
    ),
    FileKind.REGEX: ("risu_regex", "scripts"),
    FileKind.PRESET: ("preset",),
    FileKind.TEXT_PRESET: ("master",),
    FileKind.GROUP: ("group", "old_group"),
    FileKind.SETTINGS: ("settings",),
    FileKind.NARRATIUM: ("library",),
}  # fmt: skip


def chats(document: Any) -> tuple[ChatLog, ...]:
    return read_chats(json.dumps(document).encode(), "x.json")


def ours(text: str) -> ChatLog:
    """Our own file with a part of its second message, as it is written in JSON."""
    document = json.loads(json.dumps(SEEDS["ours"]))
    second = json.dumps(document["messages"][1])[:-1]
    document["messages"] = document["messages"][:1]
    raw = json.dumps(document).replace("]", f", {second}, {text}}}]")
    return read_chats(raw.encode(), "x.json")[0]


def said(log: ChatLog) -> list[tuple[str, str]]:
    letters = {"user": "U", "assistant": "A", "system": "S"}
    return [(letters[log.nodes[at].role], log.nodes[at].text) for at in log.path()]


def card(document: Any) -> Card:
    return read_card(json.dumps(document).encode(), "x.json").card


def entries(document: Any) -> dict[str, Entry]:
    return {entry.content: entry for entry in read_book(document, "x").book.entries}


def test_one_recogniser_knows_every_kind() -> None:
    assert {name for names in KINDS.values() for name in names} == set(SEEDS)
    for kind, names in KINDS.items():
        for name in names:
            assert recognise_document(SEEDS[name]) is kind, name


def test_what_is_recognised_is_read_by_its_own_reader() -> None:
    for name in KINDS[FileKind.CHAT]:
        assert chats(SEEDS[name])[0].nodes, name
    for kind in (FileKind.WORLDBOOK, FileKind.REGEX, FileKind.PRESET):
        for name in KINDS[kind]:
            assert shelf_documents(kind.value, SEEDS[name], "x"), name  # type: ignore[arg-type]


# -- chats ---------------------------------------------------------------------------------------------


def test_oobabooga_of_every_age() -> None:
    (log,) = chats(SEEDS["ooba"])
    assert said(log) == [("A", "Hello."), ("U", "A & B"), ("A", "C"), ("U", "D"), ("A", "E2")]
    greeting, last = log.nodes[0], log.nodes[log.head]
    assert greeting.model == "m.gguf" and st_date(greeting.sent_at)[:4] == "2025"
    assert log.nodes[2].thinking == "why"
    assert [node.text for node in log.nodes if node.parent == last.parent] == ["E1", "E2"]
    old = {
        "data": [["<|BEGIN-VISIBLE-CHAT|>", "Hello"], ["A & B", "C"]],
        "data_visible": [["", "x"], ["A &amp; B", "C"]],
    }
    assert said(chats(old)[0]) == [("A", "Hello"), ("U", "A & B"), ("A", "C")]
    assert said(chats({"data_visible": [["A &amp; B", "C"]]})[0]) == [("U", "A & B"), ("A", "C")]
    assert said(chats({"internal": [["Q", "R"]], "visible": [["Q", "R"]]})[0]) == [("U", "Q"), ("A", "R")]
    oldest = {"chat": ["Ada: Hello: you", "You: Hi", "Ada: Fine"]}
    assert said(chats(oldest)[0]) == [("A", "Hello: you"), ("U", "Hi"), ("A", "Fine")]
    edited = json.loads(json.dumps(SEEDS["ooba"]))
    edited["internal"][2][1] = "E3"
    assert [node.text for node in chats(edited)[0].nodes if node.role == "assistant"][-2:] == ["E1", "E3"]


def test_agnai_with_and_without_a_mark() -> None:
    for document in (SEEDS["agnai_chat"], {"kind": "chat", "messages": SEEDS["agnai_chat"]["messages"]}):
        (log,) = chats(document)
        assert said(log) == [("A", "Hello"), ("U", "Hi")] and log.nodes[1].name == "Bo"
    with pytest.raises(InvalidInput, match="no messages"):
        chats({**SEEDS["agnai_chat"], "messages": []})


def test_risu_keeps_what_is_switched_off_out_of_the_prompt() -> None:
    first, second = chats(SEEDS["risu_chats"])
    assert [(one.text, one.hidden) for one in (first.nodes[at] for at in first.path())] == [
        ("old", True),
        ("cut", True),
        ("Hi", False),
        ("A remark", True),
        ("Hello", False),
    ]
    assert (first.title, first.nodes[2].name, first.nodes[4].model) == ("Chat 1", "Bo", "m")
    assert [node.text for node in first.nodes if node.parent == first.nodes[first.head].parent] == [
        "Hello",
        "Hey",
    ]
    metadata = first.header["chat_metadata"]
    assert metadata["note_prompt"] == "AUTHORNOTE" and metadata["variables"] == {"gold": "7"}
    told = " ".join(first.notes)
    assert "1 of the chats" in told and "alternate greeting 2" in told and "lorebook (1 entries)" in told
    assert (second.title, said(second)) == ("Chat 2", [("A", "Second")])
    single = {"type": "risuChat", "ver": 1, "data": SEEDS["risu_chats"]["data"][1]}
    assert said(chats(single)[0]) == [("A", "Second")]


def test_kobold_in_each_of_its_modes() -> None:
    (log,) = chats(SEEDS["kobold"])
    assert [(log.nodes[at].name, log.nodes[at].text) for at in log.path()] == [
        ("Ada", "Hello there."),
        ("Bob", "Hi\nand more"),
        ("Ada", "How are you?"),
        ("Cleo", "Me too."),
        ("Bob", "Fine"),
        ("Ada", "Good."),
    ]
    assert [role for role, _ in said(log)] == ["A", "U", "A", "A", "U", "A"]
    assert log.header["chat_metadata"]["note_prompt"] == "[Note: dusk]" and "memory" in log.notes[0]
    old = {
        "prompt": "\nAda: Hm.",
        "actions": ["\nYou: Hi\nAda: Oh."],
        "savedsettings": {"opmode": 3, "chatopponent": "Ada"},
    }
    assert said(chats(old)[0]) == [("A", "Hm."), ("U", "Hi"), ("A", "Oh.")]
    nameless = {**SEEDS["kobold"], "savedsettings": None}
    assert [role for role, _ in said(chats(nameless)[0])] == ["A", "U", "A", "A", "U", "A"]
    (log,) = chats(SEEDS["kobold_instruct"])
    assert said(log) == [("U", "Hi"), ("A", "Hello."), ("U", "Bye"), ("A", "See you.")]
    assert log.nodes[1].thinking == "hm"
    raw = {
        "prompt": "\n### Instruction:\nHi\n### Response:\nYo",
        "actions": [],
        "savedsettings": {
            "opmode": 4,
            "instruct_starttag": "\\n### Instruction:\\n",
            "instruct_endtag": "\\n### Response:\\n",
        },
    }
    assert said(chats(raw)[0]) == [("U", "Hi"), ("A", "Yo")]
    adventure = [("A", "You wake up."), ("U", "open the door"), ("A", "It creaks."), ("U", "go north")]
    assert said(chats(SEEDS["kobold_adventure"])[0]) == adventure
    assert said(chats(SEEDS["kobold_story"])[0]) == [("A", "Once."), ("A", "Upon."), ("A", "A time.")]
    assert said(chats(SEEDS["kobold_old"])[0]) == [("A", "Once."), ("A", "Upon.")]


def test_kobold_without_settings_parts_who_speaks() -> None:
    """Nobody was asked for names: the person is called by one of two words, the other begins its parts."""

    def read(*actions: str, prompt: str = "") -> list[tuple[str, str]]:
        (log,) = chats({"prompt": prompt, "actions": list(actions), "memory": "", "savedsettings": None})
        return said(log)

    talk = [("U", "Hello"), ("A", "Hi!"), ("U", "Bye"), ("A", "See you")]
    for person in ("User", "You"):
        own = f"\n{person}: "
        assert read(f"{own}Hello", "\nAda: Hi!", f"{own}Bye", "\nAda: See you") == talk
        # The name of whom one talks to ends the person's part, and the reply follows on its own.
        assert read(f"{own}Hello\nAda:", " Hi!", f"{own}Bye\nAda:", " See you") == talk
        assert read(f"{own}Hello", "\nAda: Hi!") == talk[:2]
        assert read(f"{own}Hello", prompt="Ada: Come in.") == [("A", "Come in."), ("U", "Hello")]
    noted = read("\nUser: Hello\nNote: be brief", "\nAda: Hi!\nNote: waves", "\nUser: Bye\nNote: go")
    assert noted == [("U", "Hello\nNote: be brief"), ("A", "Hi!\nNote: waves"), ("U", "Bye\nNote: go")]


def test_kobold_with_the_tags_of_a_model() -> None:
    """The settings say which tags begin and end whose words; none of them stays in a message."""
    talk = [("U", "Hi"), ("A", "Hello."), ("S", "Be brief."), ("U", "Bye"), ("A", "See you.")]
    assert said(chats(SEEDS["kobold_raw"])[0]) == talk
    # A chat that was begun with Kobold's own tags has both.
    begun = {**SEEDS["kobold_raw"], "prompt": "\n{{[INPUT]}}\nHi\n{{[INPUT_END]}}\n"}
    assert said(chats(begun)[0]) == talk


def test_lines_in_one_document_are_a_chat() -> None:
    line = {"name": "Ada", "is_user": False, "mes": "Hi"}
    own = {"name": "Bo", "is_user": True, "mes": "Yo"}
    for head in ({"chat_metadata": {"note_prompt": "dusk"}}, {"id": 7}, {}):
        document = {**head, "messages": [line, own]}
        (log,) = chats(document)
        assert said(log) == [("A", "Hi"), ("U", "Yo")]
        assert log.header.items() >= head.items()
        assert recognise_document(document) is FileKind.CHAT


def test_a_chat_without_messages_is_told_or_refused() -> None:
    (log,) = chats({"user_name": "Bo", "character_name": "Ada", "chat_metadata": {}})
    assert log.notes == ("The chat has no messages yet.",)
    with pytest.raises(InvalidInput, match="no messages"):
        chats({"chat_metadata": {}, "turns_taken": [{"who": "Ada", "words": "Hi"}]})


def test_messages_beside_a_character_are_told() -> None:
    document = {
        "chat": {"id": 1},
        "character": {"name": "Ada", "personality": "Kind.", "first_message": "Hi"},
        "chatMessages": [{"message": "Yo", "is_bot": False}, {"message": "Hi", "is_bot": True}],
    }
    loaded = read_card(json.dumps(document).encode(), "x.json")
    assert loaded.card.name == "Ada"
    assert loaded.warnings == (
        "Only the character of this file is read; its chatMessages (2 items) are left out.",
    )
    del document["chatMessages"]
    assert not read_card(json.dumps(document).encode(), "x.json").warnings


def test_chats_of_character_ai_are_never_glued() -> None:
    one, two = chats(SEEDS["cai"])
    assert (said(one), said(two)) == ([("A", "One"), ("U", "Hi")], [("A", "Two")])
    assert one.character_name == "Ada"
    (log,) = chats(SEEDS["cai_turns"])
    assert said(log) == [("A", "B"), ("U", "Hi")] and log.nodes[0].text == "A"
    assert said(chats(SEEDS["cai_offline"])[0]) == [("A", "Hello"), ("U", "Hi")]


def test_a_tree_with_a_circle_or_in_any_order_loses_no_words() -> None:
    assert said(chats(SEEDS["narratium"])[0]) == [("A", "Greeting"), ("U", "Hi"), ("A", "Hello")]
    nodes = [
        {"nodeId": "a", "parentNodeId": "b", "assistantResponse": "A"},
        {"nodeId": "b", "parentNodeId": "a", "assistantResponse": "B"},
    ]
    (log,) = chats({"nodes": nodes})
    assert {node.text for node in log.nodes} == {"A", "B"} and "circle" in log.notes[0]
    long = [
        {"nodeId": str(n), "parentNodeId": str(n - 1), "assistantResponse": str(n)}
        for n in range(20_000, 0, -1)
    ]
    assert len(chats({"nodes": long, "current_nodeId": "20000"})[0].path()) == 20_000


def test_a_list_of_lines_is_the_same_chat() -> None:
    lines = "\n".join(json.dumps(line) for line in SEEDS["tavern_lines"]).encode()
    assert (
        said(read_chats(lines)[0]) == said(chats(SEEDS["tavern_lines"])[0]) == [("A", "Hello"), ("U", "Hi")]
    )
    assert not [note for note in read_chats(lines)[0].notes if "does not exist" in note]  # swipe_id "1"


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("²", 1970),
        (10**30, 1970),
        (float("inf"), 1970),
        ("99999-01-01", 1970),
        (253402300800000, 1970),
        (-5, 1970),
        ([], 1970),
        (1720000000, 2024),
        (1720000000000, 2024),
        ("1720000000.5", 2024),
        ("Aug 25, 2025 14:03", 2025),
        ("June 1, 2023 3:04pm", 2023),
        ("2024-5-1@12h00m00s", 2024),
    ],
)
def test_dates_stay_within_the_calendar(written: Any, year: int) -> None:
    assert int(st_date(parse_date(written))[:4]) == year


@pytest.mark.parametrize("wrong", ['"role": []', '"parent": 1e999', '"parent": 7', '"role": "robot"'])
def test_our_own_file_is_refused_where_its_tree_is_broken(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ours(wrong)
    assert refused.value.code == "CHAT_DAMAGED"


def test_odd_values_beside_the_tree_are_left_out() -> None:
    log = ours('"sent_at": 1e999, "suggestions": 5, "line": [], "model": {}, "hidden": "x"')
    assert said(log) == [("A", "Hello"), ("U", "Hi")] and log.nodes[1].sent_at == 0


# -- characters ----------------------------------------------------------------------------------------


def test_agnai_personas_in_every_notation() -> None:
    found = card(SEEDS["agnai_character"])
    assert found.description == "Name: Ada\nspecies: human\njob: clockmaker, inventor"
    assert (found.first_mes, found.alternate_greetings) == ("Hello from Agnai", ("Other",))
    assert (found.mes_example, found.system_prompt) == ("{{user}}: hi\n{{char}}: hello", "SYS")
    assert (found.creator_notes, found.tags) == ("for people", ("x",))
    assert found.depth_prompt.prompt == "deep" and found.depth_prompt.depth == 3
    (entry,) = read_book(found.character_book, "b").book.entries
    assert (entry.keys, entry.content, entry.order) == (("bell",), "BELL", 7)
    written = {
        "wpp": '[character("Ada") {\njob("a" + "b")\n}]',
        "sbf": '[ character: "Ada"; job: "a", "b" ]',
        "boostyle": "Ada + a + b",
        "attributes": "Name: Ada\njob: a, b",
    }
    for kind, text in written.items():
        persona = {"kind": kind, "attributes": {"job": ["a", "b"]}}
        assert card({"name": "Ada", "persona": persona, "greeting": "x"}).description == text
    persona = {"kind": "text", "attributes": {"text": ["As written."]}}
    assert card({"kind": "character", "name": "Ada", "persona": persona}).description == "As written."


@pytest.mark.parametrize(
    "key",
    [
        "greeting",
        "firstMessage",
        "first_message",
        "intro",
        "char_greeting",
        "initialMessage",
        "opening",
        "welcome_message",
    ],
)
def test_the_greeting_of_flat_files_under_any_name(key: str) -> None:
    found = card({"name": "Ada", "personality": "P", "scenario": "S", key: "GREET"})
    assert (found.first_mes, found.personality, found.scenario) == ("GREET", "P", "S")


def test_flat_files_of_other_sites() -> None:
    found = card(
        {
            "bot_name": "Ada",
            "persona": "clockmaker",
            "greetings": ["One", "Two"],
            "example_dialogs": "x",
            "systemPrompt": "SYS",
            "extra": 1,
        }
    )
    assert (found.name, found.description, found.first_mes) == ("Ada", "clockmaker", "One")
    assert (found.alternate_greetings, found.mes_example, found.system_prompt) == (("Two",), "x", "SYS")
    assert found.document["extra"] == 1
    assert card({"name": "Ada", "greeting": ["One", "Two"]}).greetings == ("One", "Two")
    lists = card({"name": "Ada", "description": "D", "first_messages": ["One", {"text": "Two"}]})
    assert lists.greetings == ("One", "Two")
    wrapped = card({"character": {"name": "Ada", "greeting": "Hi", "definition": "D", "title": "t"}})
    assert (wrapped.name, wrapped.first_mes, wrapped.description) == ("Ada", "Hi", "D")
    plain = {"name": "Ada", "description": "D", "first_mes": "F", "greeting": "G"}
    assert card(plain).document == plain  # a flat card in a card's own words stays what it is


def test_no_text_of_a_flat_file_is_lost_beside_a_shorter_one() -> None:
    """Sites keep a line for readers in `description` and what the model is told somewhere else."""
    found = card({"name": "Ada", "description": "A line.", "definition": "All of her.", "greeting": "Hi"})
    assert found.description == "A line.\n\nAll of her."
    both = card({"name": "Ada", "description": "A line.", "persona": "A line. More.", "greeting": "Hi"})
    assert both.description == "A line.\n\nA line. More."
    again = card({"name": "Ada", "desc": "Same.", "persona": "Same.", "firstMessage": "Hi", "intro": "Other"})
    assert (again.description, again.first_mes, again.document["intro"]) == ("Same.", "Hi", "Other")
    assert "persona" not in again.document  # its words stand in the card


def test_tags_that_are_objects_count_by_their_name() -> None:
    tags = [{"id": 1, "name": "Male"}, "elf", {"id": 2}]
    assert card({"name": "Ada", "personality": "P", "first_message": "Hi", "tags": tags}).tags == (
        "Male",
        "elf",
    )
    named = {"spec": "chara_card_v2", "data": {"name": "Ada", "tags": tags}}
    assert card(named).tags == ("Male", "elf") and card(named).document == named


def test_an_envelope_within_an_envelope_is_opened() -> None:
    inner = {"spec": "chara_card_v2", "data": {"name": "Ada", "first_mes": "Hi"}}
    found = card({"spec": "chara_card_v2", "spec_version": "2.0", "data": inner})
    assert (found.name, found.first_mes) == ("Ada", "Hi")


def test_a_card_in_yaml() -> None:
    text = "spec: chara_card_v2\ndata:\n  name: Ada\n  first_mes: Hi\n  tags: [elf]\n"
    found = read_card(text.encode(), "ada.yaml").card
    assert (found.name, found.first_mes, found.tags) == ("Ada", "Hi", ("elf",))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"version": 2, "name": "Q", "qrList": []}, "quickreply import"),
        ({"quickReplySlots": [{"mes": "x"}], "quickReplyEnabled": True}, "quickreply import"),
        ({"name": "Dark", "blur_strength": 1, "main_text_color": "rgba(1,1,1,1)"}, "themes"),
        ({"temperature": 1.3, "top_p": 0.9, "max_length": 150, "phrase_rep_pen": "off"}, "chat preset"),
    ],
)
def test_other_files_of_sillytavern_are_named(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        card(document)
    assert refused.value.code == "NOT_A_CARD" and sentence in refused.value.hint


def test_faraday_and_risu_bring_their_lore() -> None:
    found = card(SEEDS["faraday"])
    assert (found.name, found.description) == ("Ada", "{{char}} makes clocks for {{user}}.")
    mixed = {**SEEDS["faraday"]["character"], "aiPersona": "{character} knows {{user}}.\n#{user}: Hm"}
    assert card({"version": 1, "character": mixed}).description == "{{char}} knows {{user}}.\n{{user}}: Hm"
    assert (found.first_mes, found.system_prompt) == ("{{user}}, hello.", "Play {{char}}.")
    assert entries(found.character_book)["BELL"].keys == ("bell", "gong")
    found = card(SEEDS["risu_character"])
    assert (found.first_mes, found.description, found.mes_example) == (
        "Hello.",
        "A clockmaker.",
        "{{char}}: Tick.",
    )
    assert entries(found.character_book)["BELL"].keys == ("bell",)
    assert found.regex_scripts[0]["findRegex"] == "/a/g"


def test_a_character_without_any_text_is_told() -> None:
    assert any("no text" in note for note in card_warnings(Card.new("Ada")))
    assert not any("no text" in note for note in card_warnings(Card.new("Ada", first_mes="Hi")))


# -- lorebooks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["janitor", "novelai", "agnai_book", "kobold_book", "narratium_book", "world_info"]
)
def test_what_is_switched_off_there_stays_off(name: str) -> None:
    found = entries(SEEDS[name])
    off = {content for content, one in found.items() if one.disabled}
    assert off == {content for content in found if content.startswith("OFF")} != set()


def test_lorebooks_are_read_with_their_own_rules() -> None:
    janitor = entries(SEEDS["janitor"])
    bell, off = janitor["JLORE"], janitor["OFF"]
    assert (bell.keys, bell.group, bell.group_weight, bell.delay) == (("bell",), "g", 50, 3)
    assert (bell.comment, bell.match_whole_words) == ("Bell", True)
    assert (off.keys, off.secondary_keys, off.selective) == (("gong", "drum"), ("loud",), True)
    assert "script of JanitorAI" in read_book(SEEDS["janitor"], "x").notes[0]
    assert entries({"name": "b", "entries": SEEDS["janitor"]})["OFF"].disabled
    novelai = entries(SEEDS["novelai"])["BELL"]
    assert novelai.order == 400 and novelai.keys[0].startswith("/")
    agnai = entries(SEEDS["agnai_book"])["BELL"]
    assert (agnai.keys, agnai.order, agnai.constant, agnai.position) == (("bell",), 7, True, 1)
    risu = entries(SEEDS["risu_book"])
    assert set(risu) == {"BELL", "RE", "ALWAYS"}  # a folder is no entry, a child another name of one
    assert risu["BELL"].keys == ("bell", "gong", "drum") and risu["BELL"].probability == 50
    assert risu["RE"].keys == ("/a{1,2}b/",) and risu["ALWAYS"].constant
    kobold = entries(SEEDS["kobold_book"])["BELL"]
    assert (kobold.keys, kobold.secondary_keys, kobold.selective_logic) == (("bell", "gong"), ("silent",), 2)
    assert entries({"entries": [{"keys": ["a"], "content": "c", "disable": True}]})["c"].disabled
    dungeon = [{"keys": "dragon, wyrm", "entry": "BIG", "type": "race"}, {"keys": "elf", "value": "TALL"}]
    assert recognise_document(dungeon) is FileKind.WORLDBOOK
    old, new = entries(dungeon)["BIG"], entries(dungeon)["TALL"]
    assert (old.keys, old.comment, new.keys) == (("dragon", "wyrm"), "race", ("elf",))
    assert entries({"entries": [{"keys": ["a", "b"], "entry": "E"}]})["E"].keys == ("a", "b")


# -- scripts -------------------------------------------------------------------------------------------


def risu(text: str, out: str, find: str = "x", kind: str = "editoutput", **more: Any) -> str:
    """What a script of RisuAI makes of a text."""
    document = {"type": "regex", "data": [{"comment": "c", "in": find, "out": out, "type": kind, **more}]}
    from lunalux_core.regex.script import read_scripts

    scripts = read_scripts([document.document for document in shelf_documents("regex", document, "x")])
    with EcmaEngine() as engine:
        return run_scripts(scripts, text, placement=2, target="store", engine=engine).text


@pytest.mark.parametrize(
    ("out", "find", "text", "result"),
    [
        ("A$nB", "x", "x", "A\nB"),
        ("$$5", "x", "x", "$5"),
        ("$$", "x", "x", "$"),
        ("$$$&", "x", "x", "$x"),
        ("[{{data}}]", "x", "x", "[x]"),
        ("$2$1", "(a)(b)", "ab", "ba"),
        ("$12", "(a)", "a", "a2"),
        ("$7", "(a)", "a", "$7"),
        ("$0", "(a)", "a", "$0"),
        ("$<n>!", "(?<n>a)", "a", "a!"),
        ("$<n>", "(a)", "a", "$<n>\n"),
        ("<b>$1</b>", "(a)", "a", "<b>a</b>\n"),
        ("b", "a/b", "a/b", "b"),
        ("X", "a\nb", "a\nb", "X"),
    ],
)
def test_risu_replaces_as_javascript_does(out: str, find: str, text: str, result: str) -> None:
    assert risu(text, out, find) == result


@pytest.mark.parametrize(
    ("flag", "letters"),
    [
        ("g<cbs>", "g"),
        ("g<inject>", "g"),
        ("g<order 5>", "g"),
        ("gi<move_top>", "gi"),
        ("<move_bottom>g", "g"),
        ("g<no_end_nl>", "g"),
        ("g<repeat_back>", "g"),
        ("gg<cbs, order 2>m", "gm"),
        ("gd", "g"),
        ("gv", "gu"),
        ("x", "u"),
        ("", "g"),
        ("<cbs>", "g"),
    ],
)
def test_risu_flags_without_their_instructions(flag: str, letters: str) -> None:
    item = {"comment": "c", "in": "a.b", "out": "X", "type": "editoutput", "ableFlag": True, "flag": flag}
    (one,) = shelf_documents("regex", {"type": "regex", "data": [item]}, "x")
    assert one.document["findRegex"] == f"/a.b/{letters}"
    assert one.document["substituteRegex"] == int("cbs" in flag)
    told = any(word in flag for word in ("inject", "move", "repeat"))
    assert bool(one.notes) is told


def test_risu_commands_are_left_out_and_told_and_order_counts() -> None:
    found = shelf_documents("regex", SEEDS["risu_regex"], "x")
    assert [one.name for one in found] == ["d", "c"]
    assert any(note.startswith("2 of the scripts") for note in found[0].notes)
    for command in (
        "@@emo happy",
        "@@inject",
        "@@move_top $&",
        "@@move_bottom x",
        "@@repeat_back end",
        "@@new",
    ):
        item = {"in": "a", "out": command, "type": "editdisplay"}
        with pytest.raises(InvalidInput) as refused:
            shelf_documents("regex", {"type": "regex", "data": [item]}, "x")
        assert refused.value.code == "REGEX_NO_SCRIPTS"
    item = {"in": "a", "out": "b", "type": "disabled"}
    (off,) = shelf_documents("regex", {"type": "regex", "data": [item]}, "x")
    assert off.document["disabled"] is True


def test_templates_for_text_completion_are_told_as_such() -> None:
    with pytest.raises(LunaluxError, match="text completion"):
        read_card(json.dumps(SEEDS["master"]).encode(), "x.json")
    assert recognise_document({"name": "x", "content": "c", "post_history": ""}) is FileKind.TEXT_PRESET


def test_the_recorded_chats_are_still_read(vectors: Path) -> None:
    for path in (vectors / "chats").glob("*.json"):
        assert read_chats(path.read_bytes(), path.name)[0].nodes, path.name


def test_modules_and_scenarios_bring_their_lorebook() -> None:
    module = {"type": "risuModule", "name": "m", "lorebook": SEEDS["risu_book"]["data"], "trigger": [{}]}
    module["regex"] = SEEDS["risu_regex"]["data"]
    assert recognise_document(module) is FileKind.WORLDBOOK
    assert set(entries(module)) == {"BELL", "RE", "ALWAYS"}
    assert "triggers are not run" in read_book(module, "x").notes[0]
    assert [document.name for document in shelf_documents("regex", module, "x")] == ["d", "c"]
    for holder in ({"lorebook": SEEDS["novelai"]}, {"content": {"lorebook": SEEDS["novelai"]}}):
        scenario = {"scenarioVersion": 1, "title": "t", "prompt": "p", **holder}
        assert recognise_document(scenario) is FileKind.WORLDBOOK
        assert entries(scenario)["OFF"].disabled and "only the lorebook" in read_book(scenario, "x").notes[0]


def test_a_character_of_risu_keeps_its_note_and_what_comes_after_the_history() -> None:
    found = card(
        {
            "type": "character",
            "name": "Ada",
            "desc": "D",
            "firstMessage": "Hi",
            "replaceGlobalNote": "Stay brief.",
            "depth_prompt": {"depth": 2, "prompt": "It rains."},
        }
    )
    assert found.post_history_instructions == "Stay brief."
    assert (found.depth_prompt.prompt, found.depth_prompt.depth) == ("It rains.", 2)
