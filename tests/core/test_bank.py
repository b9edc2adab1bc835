"""The data bank: documents read under limits, found by words in any script, and their passages in prompts."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from test_memory_prompts import preset, prompt_of, runtime, story

from lunalux_core.bank.document_files import SIZE, split_passages
from lunalux_core.bank.document_text import html_text, read_document
from lunalux_core.dialogue.nodes.bank import choose
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.bank_documents import Document, Passage, Reach
from lunalux_core.runtime import Runtime

__all__ = ["runtime"]

FACT = "The lighthouse keeper Orsolya buried a brass sextant beneath the third step."
TALE = "\n\n".join([*(f"Rain fell over the quay on day {n}, and nobody spoke." for n in range(400)), FACT])


def epub(path: Path, pages: dict[str, str], order: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="O/p.opf"/></rootfiles></container>',
        )
        items = "".join(f'<item id="{name}" href="{name}.xhtml"/>' for name in pages)
        refs = "".join(f'<itemref idref="{name}"/>' for name in order)
        book.writestr(
            "O/p.opf",
            f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{refs}</spine></package>',
        )
        for name, text in pages.items():
            book.writestr(f"O/{name}.xhtml", f"<html><head><title>T</title></head><body>{text}</body></html>")
    return path


def pdf(path: Path, text: str, password: str = "") -> Path:
    """A page that says a text."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(300, 300)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
    )
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
    page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    with path.open("wb") as file:
        writer.write(file)
    return path


async def add(runtime: Runtime, name: str, text: str, **owner: str) -> Document:
    document = Document("", name, "txt", name + str(owner), size=len(text), **owner)
    return await runtime.library.documents.add(document, split_passages(text))


def test_every_kind_gives_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        f"<head><style>p {{}}</style></head><p>{FACT}</p><script>no()</script><li>&eacute;t&eacute;", "utf-8"
    )
    assert read_document(tmp_path / "a.html")[1] == f"{FACT}\nété"
    book = epub(tmp_path / "b.epub", {"one": "<p>First</p>", "two": f"<p>{FACT}</p>"}, ["two", "one"])
    assert read_document(book)[1] == f"{FACT}\n\nFirst"
    assert read_document(pdf(tmp_path / "c.pdf", "Orsolya buried a sextant"))[1] == "Orsolya buried a sextant"
    for encoding, text in (
        ("gb18030", "灯塔看守人把黄铜六分仪埋在第三级台阶下面。"),
        ("cp1252", "Orsolya’s été"),
        ("utf-16", FACT),
    ):
        (tmp_path / "d.txt").write_bytes(text.encode(encoding))
        assert read_document(tmp_path / "d.txt")[1] == text, encoding
    assert html_text("<p>a<b>b</b>\nc<br>d") == "ab c\nd"


def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, content: bytes | None = None) -> str:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises((InvalidInput, NotFound)) as caught:
            read_document(path)
        assert caught.value.message.endswith(".") and caught.value.hint
        return caught.value.code

    pdf(tmp_path / "locked.pdf", "secret", password="pass")
    assert refused("locked.pdf") == "DOCUMENT_LOCKED"
    assert refused("broken.pdf", b"%PDF-1.7 nothing") == "DOCUMENT_DAMAGED"
    assert refused("broken.epub", b"PK\x03\x04 nothing") == "DOCUMENT_DAMAGED"
    assert refused("picture.txt", b"\x89PNG\r\n\0\0\0") == "DOCUMENT_NOT_TEXT"
    assert refused("empty.md", b"  \n--\n") == "DOCUMENT_EMPTY"
    assert refused("what.exe", b"x") == "DOCUMENT_KIND"
    assert refused("gone.txt") == "FILE_NOT_FOUND"
    (tmp_path / "folder.txt").mkdir()
    assert refused("folder.txt") == "FILE_UNREADABLE"
    os.mkfifo(tmp_path / "pipe.txt")
    assert refused("pipe.txt") == "FILE_NOT_REGULAR"
    assert refused("huge.txt", b"word " * 13_500_000) == "DOCUMENT_TOO_LARGE"
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("a.xhtml", b"\0" * 15_000_000)
    assert refused("bomb.epub", bomb.getvalue()) == "DOCUMENT_TOO_LARGE"


def test_passages_are_whole_sentences_of_one_size_and_nothing_is_lost() -> None:
    for text in (TALE, "这是一个很长的句子，没有空格。" * 300, "x" * 9000, "# A\nb\n# C\n" + "d. " * 900):
        passages = split_passages(text)
        assert all(len(passage) <= SIZE * 4 + 40 for passage, _ in passages)
        assert "".join("".join(one for one, _ in passages).split()) == "".join(text.split())
    assert all(one.endswith("。") for one, _ in split_passages("这是一个很长的句子，没有空格。" * 300))


async def test_passages_are_found_by_rare_words_and_only_where_they_belong(runtime: Runtime) -> None:
    chat, _ = await story(runtime, 1)
    place = await runtime.library.conversations.get(chat)
    await add(runtime, "tale.txt", TALE, character_id=place.character_id)
    await add(
        runtime,
        "chinese.txt",
        "很久以前。\n\n" + "雨下了一天。" * 90 + "\n\n灯塔看守人把黄铜六分仪埋在台阶下面。",
    )
    await add(runtime, "other.txt", FACT, conversation_id=chat)
    found = await runtime.library.documents.search("Where is Orsolya's sextant?", Reach(everything=True))
    assert {one.document for one in found[:2]} == {"tale.txt", "other.txt"} and "sextant" in found[0].by
    (chinese,) = await runtime.library.documents.search("他在找六分仪", Reach())
    assert chinese.document == "chinese.txt" and "分仪" in chinese.by
    elsewhere = await runtime.library.documents.search("Orsolya", Reach("none"))
    assert elsewhere == []
    with pytest.raises(InvalidInput):
        await add(runtime, "tale.txt", TALE, character_id=place.character_id)
    await runtime.library.characters.delete(place.character_id)
    left = await runtime.library.documents.list(Reach(everything=True))
    assert [one.name for one in left] == ["chinese.txt"]
    assert await runtime.library.documents.search("Orsolya", Reach(everything=True)) == []


async def test_the_prompt_has_what_the_last_messages_call_for_and_the_record_names_it(
    runtime: Runtime,
) -> None:
    chat, _ = await story(runtime, 1)
    stored = await add(runtime, "tale.txt", TALE + "\n\nIgnore {{char}} <b>", conversation_id=chat)
    await runtime.library.presets.add("ST", preset("main", "charDescription", "chatHistory"), enabled=False)
    asked = "Tell me of the sextant that Orsolya hid."
    for name in ("", "ST"):
        text = "\n".join(
            message.content for message in (await prompt_of(runtime, chat, asked, preset=name)).messages
        )
        assert FACT in text and "[tale.txt]" in text and "{{char}}" in text
        plain = "\n".join(
            message.content
            for message in (await prompt_of(runtime, chat, "Good evening.", preset=name)).messages
        )
        assert FACT not in plain and "[tale.txt]" not in plain
    record = (await runtime.chat.previews.record(chat, asked))["bank"]
    assert record["used"][0]["id"].startswith(stored.id) and "sextant" in record["used"][0]["by"]
    assert record["tokens"] <= record["budget"]


def test_the_budget_is_kept_and_what_is_left_out_is_named() -> None:
    called = [Passage(n, "d", "doc", n, "text", 100) for n in (5, 2, 9)]
    chosen = choose(called, 250)
    assert [one.place for one in chosen.passages] == [2, 5]
    assert [row["why"] for row in chosen.record()["left_out"]] == ["budget"]
    assert {row["why"] for row in chosen.record(room=False)["left_out"]} == {"budget", "no_room"}


def test_a_page_that_is_broken_on_purpose_gives_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>The <![ lamp.</p><svg><svg></svg><p>It <![CDATA[no]]>burns.</p><!--")
    assert "burns." in read_document(tmp_path / "a.html")[1]
    with pytest.raises(TimeoutError):
        html_text("<a " * 1000, until=0.0)
