"""Chats as Markdown: written for people, and read back word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lunalux_core.cards.file_kind import FileKind, recognise
from lunalux_core.chat.group_chat_files import is_group_chat, speakers
from lunalux_core.chatlogs.chatlog import ChatLog, LogNode
from lunalux_core.chatlogs.chatlog_reader import read_chat
from lunalux_core.chatlogs.markdown_chat import write_markdown
from lunalux_core.errors import InvalidInput, LimitExceeded

NAMES = ("Ada", "Marian", "林", "a -- b --> c", "**", "", "You")
_line = st.sampled_from(
    (
        "",
        "Hello.",
        "**Ada**",
        "**Ada**<!---->",
        "**Status**",
        "> quoted",
        "<!---->",
        "# Title",
        "*waves*",
        "  - a",
    )
)
_text = st.lists(_line, max_size=6).map("\n".join)
_node = st.builds(
    LogNode,
    parent=st.just(-1),
    role=st.sampled_from(("user", "assistant", "system")),
    name=st.sampled_from(NAMES),
    text=st.one_of(_text, st.text(st.characters(exclude_categories=["Cs", "Cc"]))),
    thinking=st.one_of(st.just(""), _text),
)


def chat(*nodes: LogNode, **about: object) -> ChatLog:
    placed = tuple(replace(node, parent=place - 1) for place, node in enumerate(nodes))
    return ChatLog(placed, len(placed) - 1, character_name="Ada", **about)  # type: ignore[arg-type]


def said(log: ChatLog) -> list[tuple[str, str]]:
    return [(node.name, node.text.strip()) for node in log.nodes]


def thoughts(log: ChatLog) -> list[str]:
    return ["\n".join(line.rstrip() for line in node.thinking.split("\n")) for node in log.nodes]


@given(nodes=st.lists(_node, max_size=8), thinking=st.booleans())
@example(nodes=[LogNode(-1, "assistant", "Ada", "**Ada**\n\nsays **Marian**\n\n**Marian**")], thinking=False)
@example(
    nodes=[LogNode(-1, "assistant", "Ada", "> a quote"), LogNode(-1, "user", "Ada", "Hm.")], thinking=True
)
def test_every_word_comes_back(nodes: list[LogNode], thinking: bool) -> None:
    log = chat(*nodes, title="An evening")
    back = read_chat(write_markdown(log, thinking=thinking).encode(), "evening.md")
    assert said(back) == said(log)
    assert back.title == "An evening"
    roles: dict[str, set[str]] = {}
    for node in log.nodes:
        roles.setdefault(node.name, set()).add(node.role)
    for node, before in zip(back.nodes, log.nodes, strict=True):
        assert node.role == before.role or len(roles[node.name]) > 1
    assert not thinking or thoughts(back) == thoughts(log)
    assert thinking or not any(thoughts(back))


def test_one_name_on_both_sides_takes_turns() -> None:
    log = chat(*(LogNode(-1, role, "Ada", role) for role in ("assistant", "user", "assistant", "user")))
    back = read_chat(write_markdown(log).encode())
    assert [node.role for node in back.nodes] == ["assistant", "user", "assistant", "user"]


def test_a_group_stays_a_group() -> None:
    group = {"name": "The pier", "members": [{"name": "Ada", "muted": False}, {"name": "Bo", "muted": True}]}
    nodes = [
        LogNode(-1, "assistant", "Ada", "Hi."),
        LogNode(-1, "user", "Marian", "Hm."),
        LogNode(-1, "assistant", "Bo", "Ho."),
    ]
    back = read_chat(write_markdown(chat(*nodes, group=group)).encode())
    assert is_group_chat(back) and speakers(back) == ("Ada", "Bo") and back.group == group
    assert [node.role for node in back.nodes] == ["assistant", "user", "assistant"]


def test_what_a_person_adds_to_the_file_is_read() -> None:
    log = chat(LogNode(-1, "assistant", "Ada", "Hi."), LogNode(-1, "user", "Marian", "Hm."))
    text = write_markdown(log).replace("\n", "\r\n") + "\r\n**Ada**\r\n\r\nAnd **then**?\r\n"
    back = read_chat(b"\xef\xbb\xbf" + text.encode())
    assert said(back) == [("Ada", "Hi."), ("Marian", "Hm."), ("Ada", "And **then**?")]
    assert [node.role for node in back.nodes] == ["assistant", "user", "assistant"]


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("# Ada\n\n**Ada**\n\nHi.\n\n**Marian**\n\nHm.\n", "assistant user"),
        ("# Ada\n\n**You**\n\nHi.\n\n**Ada**\n\nHm.\n", "user assistant"),
        (
            "# Pier\n\n*Ada, Bo*\n\n**Ada**\n\nHi.\n\n**Marian**\n\nHm.\n\n**Bo**\n\nHo.\n",
            "assistant user assistant",
        ),
        ("**你**\n\n你好。\n\n**林**\n\n嗯。\n", "user assistant"),
    ],
)
def test_a_file_without_the_comment_is_read_by_its_names(text: str, roles: str) -> None:
    assert [node.role for node in read_chat(text.encode()).nodes] == roles.split()


@pytest.mark.parametrize(
    "text",
    [
        "# Notes\n\nNothing is said here.\n",
        "*waves*\n",
        "# Read me\n\nSome words.\n\n**Bold**\n\nMore.\n",
        "#",
    ],
)
def test_other_markdown_is_no_chat(text: str) -> None:
    with pytest.raises(InvalidInput) as told:
        read_chat(text.encode(), "readme.md")
    assert told.value.code == "CHAT_UNKNOWN_FORMAT"


def test_a_long_chat_of_many_lines_is_read() -> None:
    nodes = [LogNode(-1, "assistant" if n % 2 else "user", f"N{n % 2}", "a\n\nb\n\nc") for n in range(20_000)]
    text = write_markdown(chat(*nodes))
    assert text.count("\n") > 100_000
    assert len(read_chat(text.encode()).nodes) == 20_000


def test_more_messages_than_any_chat_has_are_refused() -> None:
    with pytest.raises(LimitExceeded) as told:
        read_chat(b"# Ada\n\n" + b"**Ada**\n\nHi.\n\n" * 100_001)
    assert told.value.code == "CHAT_TOO_LONG"


def test_an_import_of_anything_knows_it() -> None:
    log = chat(LogNode(-1, "assistant", "Ada", "Hi."))
    assert recognise(write_markdown(log).encode(), "evening.md") == FileKind.CHAT
    assert recognise(b"# Notes\n\nname: none\n", "notes.md") != FileKind.CHAT
