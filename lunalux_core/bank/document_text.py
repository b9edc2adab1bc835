"""The text of a document, read under limits; what cannot be read is told in one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lunalux_core.documents import archives
from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.regular_files import check_regular, read_regular
from lunalux_core.text import clean, clean_line

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_MB = 1024 * 1024
LARGEST_FILE = 64 * _MB
LARGEST_TEXT = 24_000_000
"""Characters of a document's text."""
MOST_PAGES = 10_000
READING_SECONDS = 180
"""So long one document may be read: some are made so that every part of them costs a look at all the rest."""
BOOK = archives.ArchiveLimits(10_000, 16 * _MB, 256 * _MB, 1 * _MB)
LARGEST_INDEX = 2 * _MB
"""Bytes of an EPUB's table of contents."""

KINDS: Mapping[str, str] = {
    "txt": "txt",
    "text": "txt",
    "log": "txt",
    "md": "md",
    "markdown": "md",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "pdf": "pdf",
    "epub": "epub",
}
_BLOCKS = frozenset(
    (
        *("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article"),
        *("blockquote", "pre", "dt", "dd", "table", "ul", "ol", "hr"),
    )
)
_SILENT = frozenset(("script", "style", "head", "template", "noscript", "svg"))


def read_document(path: Path) -> tuple[str, str, bytes]:
    """Kind, text and bytes of a file.

    Raises:
        InvalidInput: DOCUMENT_KIND, DOCUMENT_LOCKED, DOCUMENT_DAMAGED, DOCUMENT_NOT_TEXT, DOCUMENT_EMPTY;
            FILE_NOT_REGULAR for pipes and devices, FILE_UNREADABLE.
        NotFound: FILE_NOT_FOUND.
        LimitExceeded: DOCUMENT_TOO_LARGE.
    """
    name = clean_line(path.name, 80)
    kind = KINDS.get(path.suffix[1:].lower(), "")
    if not kind:
        # What is not there is told first: its ending may be a part of the mistake.
        check_regular(path)
        raise InvalidInput(
            "DOCUMENT_KIND",
            f"{name} is none of the documents that can be read.",
            "Give a .txt, .md, .html, .pdf or .epub file.",
            path=name,
        )
    content = _bytes(path, name)
    read: Mapping[str, Callable[[bytes, str], str]] = {
        "txt": decoded,
        "md": decoded,
        "html": lambda content, name: _page_text(decoded(content, name), name, _deadline()),
        "pdf": _pdf_text,
        "epub": _epub_text,
    }
    text = clean(read[kind](content, name)).strip()
    if len(text) > LARGEST_TEXT:
        raise _too_large(name)
    if not any(sign.isalnum() for sign in text):
        raise InvalidInput(
            "DOCUMENT_EMPTY",
            f"{name} holds no text; a scanned page is only a picture of one.",
            "Give a file whose text can be selected.",
            path=name,
        )
    return kind, text, content


def decoded(content: bytes, name: str) -> str:
    """Bytes as text: by their mark, as UTF-8, as GB 18030 where that gives Chinese, else as Western.

    Raises:
        InvalidInput: DOCUMENT_NOT_TEXT.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    # No text has a zero byte, and nearly every other file has one near its beginning.
    if b"\0" in content[: 1 << 16]:
        raise InvalidInput(
            "DOCUMENT_NOT_TEXT",
            f"{name} is no text file, whatever its ending says.",
            "Save it as UTF-8 text, or give it the ending of what it is.",
            path=name,
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for encoding in ("gb18030", "shift_jis", "big5"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # These encodings take nearly all bytes, so what comes out has to look like their languages.
        wide = sum("\u3040" <= sign <= "\u9fff" for sign in text[:20_000])
        if wide * 4 > min(len(text), 20_000):
            return text
    return content.decode("cp1252", "replace")


def html_text(source: str, until: float = float("inf")) -> str:
    """The visible text of a page, a line for each block.

    Args:
        until: the moment, of the monotonic clock, after which it takes too long.

    Raises:
        TimeoutError: it took too long.
    """
    parser = _Page(until)
    parser.feed(source)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)


class _Page(HTMLParser):
    """Collects the words of a page."""

    def __init__(self, until: float) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []
        self._until = until

    def parse_html_declaration(self, i: int) -> int:
        try:
            return super().parse_html_declaration(i)
        except AssertionError:  # "<![" with no name after it
            return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look_at_the_clock()
        if tag in _SILENT:
            if tag not in self._silent:
                self._silent.append(tag)
        elif tag == "body":
            self._silent.clear()  # a head that is never closed
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self._look_at_the_clock()
        if not self._silent:
            self.parts.append(data.replace("\n", " "))

    def handle_comment(self, data: str) -> None:
        self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        if time.monotonic() > self._until:
            raise TimeoutError


def _deadline() -> float:
    return time.monotonic() + READING_SECONDS


def _page_text(source: str, name: str, until: float) -> str:
    try:
        return html_text(source, until)
    except TimeoutError as error:
        raise _too_large(name) from error


def _bytes(path: Path, name: str) -> bytes:
    try:
        return read_regular(path, LARGEST_FILE)
    except LimitExceeded as error:
        raise _too_large(name) from error


def _pdf_text(content: bytes, name: str) -> str:
    import logging

    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every oddity on stderr
    parts: list[str] = []
    size, until = 0, _deadline()
    try:
        reader = PdfReader(BytesIO(content))
        # Many are encrypted without a password, only to forbid printing.
        if reader.is_encrypted and not reader.decrypt(""):
            raise _locked(name)
        for number, page in enumerate(reader.pages):
            text = page.extract_text()
            size += len(text)
            if size > LARGEST_TEXT or number >= MOST_PAGES or time.monotonic() > until:
                raise _too_large(name)
            parts.append(text)
    except InvalidInput:
        raise
    except (FileNotDecryptedError, ImportError) as error:  # a cipher that nothing here can read
        raise _locked(name) from error
    except MemoryError as error:
        raise _too_large(name) from error
    except (PyPdfError, RecursionError, Exception) as error:  # readers of broken files raise anything
        raise _damaged(name) from error
    return "\n\n".join(parts)


def _epub_text(content: bytes, name: str) -> str:
    try:
        with archives.open_archive(BytesIO(content)) as archive:
            infos = archive.infolist()
            archives.check_number(infos, BOOK)
            archives.check_sizes(infos, BOOK)
            # Bookshops lock the pages and leave the archive itself open, with this file beside them.
            if any(archives.is_locked(info) for info in infos) or "META-INF/rights.xml" in archive.namelist():
                raise _locked(name)
            return _chapters(archive, {info.filename: info for info in infos}, name)
    except archives.DamagedArchive as error:
        raise _damaged(name) from error
    except (archives.TooLarge, archives.TooManyFiles) as error:
        raise _too_large(name) from error


def _chapters(archive: ZipFile, info_of: Mapping[str, ZipInfo], name: str) -> str:
    pages = _spine(archive, info_of) or sorted(
        page for page in info_of if page.lower().endswith((".xhtml", ".html", ".htm"))
    )
    parts, size, until = [], 0, _deadline()
    for page in pages:
        if page in info_of:
            source = archives.read(archive, info_of[page], BOOK.file).decode("utf-8", "replace")
            text = _page_text(source, name, until)
            size += len(text)
            if size > LARGEST_TEXT:
                raise _too_large(name)
            parts.append(text)
    return "\n\n".join(parts)


def _spine(archive: ZipFile, info_of: Mapping[str, ZipInfo]) -> list[str]:
    """The pages in the order of the book; none where its table of contents cannot be read."""
    from xml.etree import ElementTree

    def tree(path: str) -> ElementTree.Element:
        source = archives.read(archive, info_of[path], LARGEST_INDEX)
        # A few lines of entities that name each other can stand for gigabytes.
        if b"<!ENTITY" in source:
            raise ValueError("entities")
        return ElementTree.fromstring(source)

    try:
        root = tree("META-INF/container.xml")
        index = next(
            str(element.get("full-path")) for element in root.iter() if element.tag.endswith("rootfile")
        )
        package = tree(index)
    except (KeyError, StopIteration, ValueError, ElementTree.ParseError):
        return []
    folder = PurePosixPath(index).parent
    path_of = {
        item.get("id"): str(folder / unquote(item.get("href") or ""))
        for item in package.iter()
        if item.tag.endswith("}item") or item.tag == "item"
    }
    order = (element.get("idref") for element in package.iter() if element.tag.endswith("itemref"))
    return [path_of[identity] for identity in order if identity in path_of]


def _too_large(name: str) -> LimitExceeded:
    return LimitExceeded(
        "DOCUMENT_TOO_LARGE",
        f"{name} is larger than a document of the data bank may be: {LARGEST_FILE // _MB} MB, "
        f"{LARGEST_TEXT // 1_000_000} million characters.",
        "Split it, or give the part that matters.",
        path=name,
        most=LARGEST_FILE // _MB,
        characters=LARGEST_TEXT // 1_000_000,
    )


def _locked(name: str) -> InvalidInput:
    return InvalidInput(
        "DOCUMENT_LOCKED",
        f"{name} is encrypted.",
        "Save it without a password and add it again.",
        path=name,
    )


def _damaged(name: str) -> InvalidInput:
    return InvalidInput(
        "DOCUMENT_DAMAGED",
        f"{name} is damaged, or not what its ending says.",
        "Open it in another program and save it anew.",
        path=name,
    )
