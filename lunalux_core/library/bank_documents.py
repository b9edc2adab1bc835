"""The data bank: documents of a chat, a character or everybody, split into passages that replies may draw on.

Passages are found by words. A run of signs of a script without blanks between words is indexed as its pairs,
so that two signs in a row are found in Chinese and Japanese too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lunalux_core.database import Connection, Database, Row
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import moment_in, plain_text, whole_number
from lunalux_core.library.conversations import Conversation
from lunalux_core.library.groups import load_group
from lunalux_core.library.name_lookup import find_named, missing

MOST_WORDS = 48
"""Different words of a text that passages are sought by, the last ones."""
MOST_FOUND = 60
RARE_SHARE, RARE_LEAST = 0.02, 3
"""A word is rare that stands in so many of the passages at most, or in so few."""
LEAST_HITS = 3
"""So many words of a text call a passage when none of them is rare."""

_COMMON = """
    the and for with from that this these those there here then than they them their she her his him its
    you your our was were are been being have has had not but what who which when where why how all any
    some one two out into onto over under about after before again just only very more most much many can
    could will would shall should may might must did does done say says said tell tells told get got let
    like know knows knew see sees saw come came goes going went make made take took give gave good well
    now yes also too still even ever never back down off away because while until thing things something
    nothing way day time
    什么 一个 一下 一些 我们 你们 他们 她们 这个 那个 这里 那里 这样 那样 没有 怎么 知道
    可以 现在 不是 就是 还是 不会 自己 时候 起来 出来 已经 因为 所以 但是 如果 然后 说道
    的人 的是 了一 是一 有一 在这 在那 的时 是不 不知
"""
COMMON_WORDS = frozenset(_COMMON.split())
"""Words that call no passage in a chat."""
_WIDE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_RUN = re.compile(rf"[{_WIDE}]+|[^\W_{_WIDE}]+")


@dataclass(frozen=True, slots=True)
class Document:
    """One document. It belongs to a conversation, else to a character, else to all."""

    id: str
    name: str
    kind: str
    hash: str = ""
    conversation_id: str = ""
    character_id: str = ""
    size: int = 0
    passages: int = 0
    tokens: int = 0
    created_at: int = 0

    @property
    def scope(self) -> str:
        return "conversation" if self.conversation_id else "character" if self.character_id else "all"


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage as a text calls for it; `place` counts from 0 in its document, `by` are the words."""

    number: int
    document_id: str
    document: str
    place: int
    text: str
    tokens: int
    by: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.document_id}:{self.place}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose documents count: those for all, and those of this chat and of these characters.

    Without `everything` it names nothing more than those for all.
    """

    conversation_id: str = ""
    characters: tuple[str, ...] = ()
    everything: bool = False

    def condition(self) -> tuple[str, list[object]]:
        """As SQL over the table `documents`."""
        if self.everything:
            return "1", []
        marks = ",".join("?" * len(self.characters))
        return (
            "(conversation_id = ? OR (conversation_id IS NULL AND "
            f"(character_id IS NULL OR character_id IN ({marks}))))",
            [self.conversation_id, *self.characters],
        )


class Documents:
    """The shelf of documents. Turns use the functions below within a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reach_of(self, conversation: Conversation) -> Reach:
        """What replies of a chat may draw on: a group's on the documents of whichever member speaks."""
        if not conversation.group_id:
            return Reach(conversation.id, (conversation.character_id,))
        group = await self._database.read(lambda c: load_group(c, conversation.group_id))
        return Reach(conversation.id, tuple(member.character_id for member in group.members))

    async def list(self, reach: Reach) -> Sequence[Document]:
        """The documents within reach, oldest first."""
        return await self._database.read(lambda c: load_documents(c, reach))

    async def find(self, name: str, reach: Reach) -> Document:
        """By id or name, or a unique beginning or word. Raises NotFound (DOCUMENT_NOT_FOUND)."""
        stored = await self.list(reach)
        document = find_named(stored, name)
        if document is None:
            raise missing(
                "DOCUMENT_NOT_FOUND",
                f"There is no document {name!r} in the data bank.",
                "`lunalux bank list` shows them all.",
                name,
                [document.name for document in stored],
            )
        return document

    async def add(self, document: Document, passages: Sequence[tuple[str, int]]) -> Document:
        """Store a document with its passages (text and tokens of each). See `add_document`."""
        # The words are found before the transaction: those of a whole book take seconds.
        worded = await asyncio.to_thread(
            lambda: [(*passage, " ".join(words_of(passage[0]))) for passage in passages]
        )
        return await self._database.write(lambda c: add_document(c, document, worded))

    async def delete(self, document_id: str) -> None:
        """Delete a document with its passages and their vectors."""
        from lunalux_core.library.vectors import forget_vectors

        def change(connection: Connection) -> None:
            connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
            # Vectors of passages are kept by `document:place`, which no
            # reference of the schema ties to the document.
            forget_vectors(connection, f"{document_id}:")

        await self._database.write(change)

    async def search(self, text: str, reach: Reach, limit: int = MOST_FOUND) -> Sequence[Passage]:
        """Passages that a text calls for, the closest first."""
        return await self._database.read(lambda c: called_passages(c, [text], reach, loose=True)[:limit])


def add_document(
    connection: Connection, document: Document, passages: Sequence[tuple[str, int, str]]
) -> Document:
    """Store a document with its passages: text, tokens and words of each.

    Raises:
        InvalidInput: DOCUMENT_EXISTS, the same bytes are there for the same owner.
    """
    owner = (document.conversation_id or None, document.character_id or None)
    there = connection.execute(
        "SELECT name FROM documents WHERE hash = ? AND conversation_id IS ? AND character_id IS ?",
        (document.hash, *owner),
    ).fetchone()
    if there is not None:
        raise InvalidInput(
            "DOCUMENT_EXISTS",
            f"{document.name} is in the data bank already, as {there['name']!r}.",
            "There is nothing to do; delete that one to read it anew.",
            name=document.name,
            other=there["name"],
        )
    document = replace(document, id=document.id or short_id(), created_at=document.created_at or now_ms())
    connection.execute(
        "INSERT INTO documents (id, name, kind, hash, conversation_id, character_id, size, created_at) "
        "VALUES (?,?,?,?,?,?,?,?)",
        (
            document.id,
            document.name,
            document.kind,
            document.hash,
            *owner,
            document.size,
            document.created_at,
        ),
    )
    connection.executemany(
        "INSERT INTO passages (document_id, place, text, words, tokens) VALUES (?,?,?,?,?)",
        ((document.id, place, text, words, tokens) for place, (text, tokens, words) in enumerate(passages)),
    )
    return replace(document, passages=len(passages), tokens=sum(row[1] for row in passages))


def load_documents(connection: Connection, reach: Reach) -> list[Document]:
    """The documents within reach, oldest first."""
    where, values = reach.condition()
    rows = connection.execute(
        "SELECT d.*, (SELECT count(*) FROM passages WHERE document_id = d.id) AS passages, "
        "(SELECT coalesce(sum(tokens), 0) FROM passages WHERE document_id = d.id) AS tokens "
        f"FROM documents d WHERE {where} ORDER BY number",
        values,
    )
    return [_document(row) for row in rows]


def documents_of(connection: Connection, conversation_id: str) -> list[Document]:
    """The documents that belong to this conversation alone, oldest first."""
    reach = Reach(conversation_id)
    return [
        document
        for document in load_documents(connection, reach)
        if document.conversation_id == conversation_id
    ]


def passages_of(connection: Connection, document_id: str) -> list[str]:
    """The texts of a document's passages, in their order."""
    rows = connection.execute(
        "SELECT text FROM passages WHERE document_id = ? ORDER BY place", (document_id,)
    )
    return [plain_text(row[0]) for row in rows]


def passage_names(connection: Connection, reach: Reach) -> list[str]:
    """The ids of all passages within reach."""
    where, values = reach.condition()
    rows = connection.execute(
        "SELECT p.document_id || ':' || p.place FROM passages p JOIN documents d ON d.id = p.document_id "
        f"WHERE {where}",
        values,
    )
    return [row[0] for row in rows]


def load_passages(connection: Connection, names: Sequence[str]) -> dict[str, Passage]:
    """Passages by their ids; those that are gone are absent."""
    passages: dict[str, Passage] = {}
    for name in names:
        document, _, place = name.rpartition(":")
        row = connection.execute(
            "SELECT p.*, d.name FROM passages p JOIN documents d ON d.id = p.document_id "
            "WHERE p.document_id = ? AND p.place = ?",
            (document, int(place)),
        ).fetchone()
        if row is not None:
            passages[name] = _passage(row, ())
    return passages


def called_passages(
    connection: Connection, texts: Sequence[str], reach: Reach, *, loose: bool = False
) -> list[Passage]:
    """Passages that texts call for, the closest first: by one rare word or by several.

    Args:
        texts: the last messages, oldest first.
        loose: one word of any kind is enough, where a person searches.
    """
    where, values = reach.condition()
    # Most chats reach no document: for these the words are not even looked for.
    if connection.execute(f"SELECT 1 FROM documents WHERE {where} LIMIT 1", values).fetchone() is None:
        return []
    # From the newest message upwards: where there are too many words, the oldest fall out.
    words = list(dict.fromkeys(word for text in reversed(texts) for word in sought_words(text)))
    words = [word for word in words if loose or word not in COMMON_WORDS][:MOST_WORDS]
    if not words:
        return []
    # Words consist of letters and digits, so the quotes cannot be closed from inside.
    match = " OR ".join(f'"{word}"' for word in words)
    rows = connection.execute(
        "SELECT p.*, d.name FROM passage_search JOIN passages p ON p.number = passage_search.rowid "
        f"JOIN documents d ON d.id = p.document_id WHERE passage_search MATCH ? AND {where} "
        "ORDER BY bm25(passage_search) LIMIT ?",
        (match, *values, MOST_FOUND),
    ).fetchall()
    # A person who searches means each word; in a chat common ones would call everything.
    rare = set(words) if loose else _rare(connection, words)
    passages = []
    for row in rows:
        there = set(plain_text(row["words"]).split())
        by = [word for word in words if word in there]
        if len(by) >= LEAST_HITS or rare.intersection(by):
            passages.append(_passage(row, by))
    return passages


def words_of(text: str) -> Iterable[str]:
    """The words a text is found by, in their order."""
    for run in _RUN.findall(text.casefold()):
        if _is_wide(run):
            # A run of one sign is a word, too: there is no pair to take.
            yield from (run[at : at + 2] for at in range(max(len(run) - 1, 1)))
        else:
            yield run


def sought_words(text: str) -> Iterable[str]:
    """The words of a text that others are sought by: short ones only of scripts without blanks."""
    return (word for word in words_of(text) if len(word) > 2 or _is_wide(word))


def _is_wide(word: str) -> bool:
    return "\u3040" <= word[0] <= "\ud7af"


def _rare(connection: Connection, words: Sequence[str]) -> set[str]:
    total = int(connection.execute("SELECT count(*) FROM passages").fetchone()[0])
    most = max(RARE_LEAST, int(total * RARE_SHARE))
    rare = set()
    for word in words:
        # Counted no further than needed: a common word stands in thousands of passages.
        row = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM passage_search WHERE passage_search MATCH ? LIMIT ?)",
            (f'"{word}"', most + 1),
        ).fetchone()
        if 0 < row[0] <= most:
            rare.add(word)
    return rare


def _document(row: Row) -> Document:
    return Document(
        row["id"],
        plain_text(row["name"]),
        plain_text(row["kind"]),
        plain_text(row["hash"]),
        row["conversation_id"] or "",
        row["character_id"] or "",
        whole_number(row["size"]),
        whole_number(row["passages"]),
        whole_number(row["tokens"]),
        moment_in(row["created_at"]),
    )


def _passage(row: Row, by: Sequence[str]) -> Passage:
    return Passage(
        int(row["number"]),
        row["document_id"],
        plain_text(row["name"]),
        whole_number(row["place"]),
        plain_text(row["text"]),
        whole_number(row["tokens"]),
        tuple(by),
    )
