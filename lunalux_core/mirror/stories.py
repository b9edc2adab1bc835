"""Stories against their files: one Markdown file for each branch, in the folder of its character or group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library.branches import Branch, branches_of, load_said
from lunalux_core.library.conversations import Conversation, load_conversation
from lunalux_core.library.groups import load_group
from lunalux_core.mirror.file_text import text_of
from lunalux_core.mirror.folder import ChangedMeanwhile, data_hash, free_name, name_key
from lunalux_core.mirror.story_merge import same_words
from lunalux_core.mirror.story_store import Page, ReplyRunning, Settled, settle, start, version_of
from lunalux_core.mirror.story_text import Block, StoryText, read_story, text_hash, write_story
from lunalux_core.mirror.sync_base import Record
from lunalux_core.mirror.work import MirrorEvent, Work, follow

T = TypeVar("T")

AT_ONCE = 100
"""Conversations that are read in one transaction."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A character or a group, and its folder."""

    id: str
    name: str
    is_group: bool
    folder: str


class StoryMirror:
    """One pass over all stories. The cards go before it: they say which folder is whose."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._database = work.library.database
        self._owners: dict[str, Owner] = {}
        self._loose: dict[str, StoryText] = {}
        self._taken: dict[str, set[str]] = {}
        self._read: dict[str, bytes] = {}
        self._copies: set[str] = set()

    async def run(self) -> None:
        conversations = {c.id: c for c in await self._work.library.conversations.list()}
        await self._find_owners(conversations.values())
        for record in self._work.base.of("copy"):
            if record.path not in self._work.folder.files:
                self._work.base.drop(record.path)
        for path in self._paths():
            await self._attempt(path, self._read_loose(path))
        self._follow()
        self._follow_groups(conversations)
        await self._recognise(conversations)
        files = self._files_of(conversations)
        # The oldest first, so that a name without a number is that of the first of several.
        ordered = sorted(conversations.values(), key=lambda c: (c.created_at, c.id))
        for begin in range(0, len(ordered), AT_ONCE):
            await self._conversations(ordered[begin : begin + AT_ONCE], files)
        for record in self._work.base.of("story"):
            if record.id not in conversations:
                await self._attempt(record.path, self._gone(record))
        for path, story in sorted(self._loose.items()):
            entry = self._work.base.at(path)
            is_free = entry is None or entry.kind == "copy"
            if is_free and story.conversation not in conversations:
                await self._attempt(path, self._new(path, story))

    async def _attempt(self, path: str, step: Awaitable[None]) -> None:
        try:
            await step
        except (ChangedMeanwhile, NotFound):  # a conversation that was deleted just now, too
            self._work.again = True
        except ReplyRunning:
            self._work.again = True
            self._work.tell(MirrorEvent("waiting", "story", path))
        except InvalidInput as error:
            self._work.skip("story", str(error.params.get("path") or path), error)

    # -- what there is -----------------------------------------------------------------------------

    async def _find_owners(self, conversations: Iterable[Conversation]) -> None:
        names = {summary.id: summary.name for summary in await self._work.library.characters.list()}
        for card in self._work.base.of("card"):
            folder = str(PurePosixPath(card.path).parent)
            self._owners[card.id] = Owner(card.id, names.get(card.id, ""), False, folder)
        groups = {conversation.group_id for conversation in conversations} - {""}
        records = {record.id: record for record in self._work.base.of("group")}
        for record in records.values():
            if record.id not in groups:
                self._work.base.drop(record.path)
        taken = self._work.folder.names_in("groups")
        taken |= {name_key(PurePosixPath(record.path).name) for record in records.values()}
        for identity in sorted(groups):
            group = await self._database.read(partial(load_group, group_id=identity))
            if (there := records.get(identity)) is None:
                there = Record(f"groups/{free_name(group.name, taken)}", "group", identity)
                self._work.base.put(there)
            self._owners[identity] = Owner(identity, group.name, True, there.path)

    def _paths(self) -> list[str]:
        return [path for path in self._work.folder.files if path.endswith(".md")]

    async def _read_loose(self, path: str) -> None:
        """Read a file that is of no branch yet; a copy of another one only where it has changed."""
        record = self._work.base.at(path)
        if record is None:
            self._loose[path] = self._story(path)
        elif record.kind == "copy" and not self._work.is_unchanged(record):
            self._loose[path] = self._story(path)
            self._copies.add(path)

    def _story(self, path: str) -> StoryText:
        data = self._read[path] = self._work.folder.read(path)
        return read_story(text_of(path, data))

    def _follow(self) -> None:
        """Let records follow files that have another name now: those with the same messages."""
        work = self._work
        missing = [
            record
            for record in work.base.of("story")
            if record.path not in work.folder.files and work.folder.trouble(record.path) is None
        ]
        fits = sorted(
            (-len(common), record.path, path)
            for record in missing
            for path, story in self._loose.items()
            # What was a copy already is no file that was moved: its words may be old.
            if story.conversation == record.id
            and path not in self._copies
            and (common := {block.id for block in story.blocks} & record.messages.keys())
        )
        for _common, former, path in fits:
            record = work.base.at(former)
            if record is not None and path in self._loose:
                del self._loose[path]
                follow(work, record, path)

    def _follow_groups(self, conversations: Mapping[str, Conversation]) -> None:
        """Let groups follow folders that have another name now: those with their stories in them."""
        for record in self._work.base.of("story"):
            conversation = conversations.get(record.id)
            owner = self._owners.get(conversation.group_id) if conversation is not None else None
            folder = str(PurePosixPath(record.path).parent.parent)
            if owner is None or owner.folder == folder or record.path not in self._work.folder.files:
                continue
            if not (self._work.folder.root / owner.folder).exists() and self._work.base.at(folder) is None:
                self._work.base.put(Record(folder, "group", owner.id), owner.folder)
                self._owners[owner.id] = replace(owner, folder=folder)

    def _files_of(self, conversations: Mapping[str, Conversation]) -> dict[str, list[str]]:
        """Paths of the files of each conversation, those of known branches first."""
        files: dict[str, list[str]] = {}
        for record in self._work.base.of("story"):
            files.setdefault(record.id, []).append(record.path)
        owned = {owner.folder: owner.id for owner in self._owners.values()}
        for path, story in list(self._loose.items()):
            conversation = conversations.get(story.conversation)
            if conversation is None:
                continue
            here = owned.get(str(PurePosixPath(path).parent.parent))
            if here == (conversation.character_id or conversation.group_id):
                files.setdefault(conversation.id, []).append(path)
            else:  # a copy in the folder of somebody else is a story of theirs
                self._loose[path] = replace(story, conversation="")
        return files

    # -- one conversation --------------------------------------------------------------------------

    async def _conversations(
        self, conversations: Sequence[Conversation], files: Mapping[str, Sequence[str]]
    ) -> None:
        """Several conversations: those that no file asks anything of are read at once."""
        pages_of = {c.id: self._pages(files.get(c.id, ())) for c in conversations}
        heard = {i for i, (pages, _) in pages_of.items() if any(page.story is not None for page in pages)}
        quiet = [conversation.id for conversation in conversations if conversation.id not in heard]

        def read(connection: Connection) -> dict[str, Settled | None]:
            return {i: self._settled(connection, i, pages_of[i][0]) for i in quiet}

        settled = await self._database.read(read)
        for conversation in conversations:
            owner = self._owners.get(conversation.character_id or conversation.group_id)
            if owner is None:  # its card could not be written, which was told
                continue
            pages, complete = pages_of[conversation.id]
            if conversation.id in heard:
                step = self._heard(owner, conversation.id, pages, complete=complete)
                await self._attempt(pages[0].path, step)
            elif (current := settled[conversation.id]) is not None:
                await self._attempt(owner.folder, self._finish(owner, current, complete=complete))

    def _settled(self, connection: Connection, identity: str, pages: Sequence[Page]) -> Settled | None:
        """A conversation that no file asks anything of; None where it is not to be touched now."""
        try:
            return settle(connection, identity, pages, self._work.reader)
        except (ReplyRunning, NotFound):
            self._work.again = True
            return None

    async def _heard(self, owner: Owner, identity: str, pages: Sequence[Page], *, complete: bool) -> None:
        settled = await self._changed(lambda c: settle(c, identity, pages, self._work.reader))
        await self._finish(owner, settled, complete=complete)

    def _pages(self, paths: Sequence[str]) -> tuple[list[Page], bool]:
        """The pages of files, and whether all of them could be read."""
        pages = [page for path in paths if (page := self._page(path)) is not None]
        if len(pages) == len(paths):
            return pages, True
        # With a file that cannot be read it is not known which branches have none.
        return [page for page in pages if page.record is not None], False

    async def _changed(self, work: Callable[[Connection], T]) -> T:
        if self._work.dry:
            # Whatever it does is taken back.
            return self._database.try_now(work)
        return await self._database.write(work)

    def _page(self, path: str) -> Page | None:
        """The page of a file; None for one that cannot be used, which is told."""
        record = self._work.base.at(path)
        try:
            if record is None or path in self._loose:
                return Page(path, None, self._loose[path])
            if (trouble := self._work.folder.trouble(path)) is not None:
                raise trouble
            is_there = path in self._work.folder.files
            if not is_there or self._work.is_unchanged(record):
                return Page(path, record)
            story = self._story(path)
            return Page(path, record, story)
        except InvalidInput as error:
            self._work.skip("story", path, error)
            return None

    async def _finish(self, owner: Owner, settled: Settled, *, complete: bool) -> None:
        """Write the files that are not as the library has it by now."""
        written: dict[str, str] = {}
        for page in settled.pages:
            if page.path or complete:
                self._write(owner, settled, page, written)
        for page in sorted(settled.pages, key=lambda page: page.record is None):
            self._tell(owner, page, settled, written)
        for page in settled.gone if complete else ():
            if page.record is not None and page.path in self._work.folder.files:
                self._work.remove(page.record, owner.name)
            elif page.record is not None:
                self._work.base.drop(page.path)
            else:
                content_hash = data_hash(self._read[page.path])
                self._work.agree(Record(page.path, "copy", settled.conversation.id, content_hash))

    def _write(self, owner: Owner, settled: Settled, page: Page, written: dict[str, str]) -> None:
        """Write the file of a page where it has to be; `written` says of which it was."""
        conversation, branch, record = settled.conversation, page.branch, page.record
        assert branch is not None
        version = version_of(conversation, branch)
        is_there = bool(page.path) and page.path in self._work.folder.files
        forks = settled.forks_of(page)
        is_known = record is not None and version == record.library and forks == tuple(record.forks)
        if is_there and is_known and page.story is None:
            return
        file_story = self._held(page) if is_there else StoryText()
        if is_there and _is_alike(file_story, conversation, branch):
            self._agree(page, conversation, version, forks, self._read[page.path])
            return
        if not page.path:
            page.path = self._new_path(owner, settled)
        blocks = tuple(Block(m.id, m.role, m.name, m.text) for m in branch.messages)
        story = replace(file_story, conversation=conversation.id, title=conversation.title, blocks=blocks)
        data = write_story(story).encode()
        action = "written" if is_there or record is None else "restored"
        self._work.write(page.path, data)
        self._agree(page, conversation, version, forks, data)
        written[page.path] = action

    def _held(self, page: Page) -> StoryText:
        """What a file holds as the library heard it. Raises ChangedMeanwhile where it says more by now."""
        if page.story is not None:
            return page.story
        file_story = self._story(page.path)
        if page.record is None or data_hash(self._read[page.path]) != page.record.file:
            raise ChangedMeanwhile(page.path)
        return file_story

    def _tell(self, owner: Owner, page: Page, settled: Settled, written: Mapping[str, str]) -> None:
        changes, conversation = page.changes, settled.conversation
        name = conversation.title or owner.name
        event = MirrorEvent("taken", "story", page.path, conversation.id, name)
        if changes is not None and (changes.chain or changes.edits):
            if page.is_copy:
                event = replace(event, action="added")
            elif changes.conflict:
                others = (p.path for p in settled.pages if p.branch and page.other in p.branch.ids)
                event = replace(
                    event, action="conflict", kept=next((p for p in others if p != page.path), "")
                )
        elif changes is not None and changes.missing:
            event = replace(event, action="restored", missing=changes.missing)
        elif changes is not None and page.record is not None and page.story is not None:
            if page.story.title == page.record.title and page.path not in written:
                return
            is_title = page.story.title != page.record.title
            event = replace(event, action="taken" if is_title else "written")
        elif page.path in written:
            action = written[page.path]
            event = replace(event, action="restored" if action == "restored" else "written")
        else:
            return
        self._work.tell(event)

    def _agree(
        self, page: Page, conversation: Conversation, version: str, forks: Sequence[str], data: bytes
    ) -> None:
        assert page.branch is not None
        hashes = {message.id: text_hash(message.text) for message in page.branch.messages}
        self._work.agree(
            Record(
                page.path,
                "story",
                conversation.id,
                data_hash(data),
                version,
                messages=hashes,
                title=conversation.title,
                forks=forks,
            )
        )

    def _new_path(self, owner: Owner, settled: Settled) -> str:
        folder = f"{owner.folder}/stories"
        if folder not in self._taken:
            records = (record.path for record in self._work.base.of("story"))
            here = {PurePosixPath(path).name for path in records if path.startswith(f"{folder}/")}
            self._taken[folder] = {*self._work.folder.names_in(folder), *map(name_key, here)}
        taken = self._taken[folder]
        others = [page.path for page in settled.pages if page.path]
        if not others:
            return f"{folder}/{free_name(_title(settled.conversation), taken, '.md')}"
        stem = PurePosixPath(others[0]).stem
        number = len(others) + 1
        while name_key(f"{stem} (branch {number}).md") in taken:
            number += 1
        return f"{folder}/{free_name(f'{stem} (branch {number})', taken, '.md')}"

    # -- files without a conversation --------------------------------------------------------------

    async def _gone(self, record: Record) -> None:
        """The conversation was deleted: its file goes out of the way, or begins a new one if it changed."""
        work = self._work
        if (trouble := work.folder.trouble(record.path)) is not None:
            raise trouble
        if record.path not in work.folder.files:
            work.base.drop(record.path)
        elif work.is_unchanged(record):
            work.remove(record)
        else:
            self._loose[record.path] = self._story(record.path)
            work.base.drop(record.path)

    async def _new(self, path: str, story: StoryText) -> None:
        """A story that a person wrote, or brought from elsewhere."""
        owner = self._owner_of(path)
        if owner is None or not story.blocks:
            return
        page, stem = Page(path, None, story), PurePosixPath(path).stem
        settled = await self._changed(
            lambda c: start(c, owner.id, owner.is_group, page, stem, self._work.reader)
        )
        await self._finish(owner, settled, complete=True)

    def _owner_of(self, path: str) -> Owner | None:
        folder = str(PurePosixPath(path).parent.parent)
        return next((owner for owner in self._owners.values() if owner.folder == folder), None)

    async def _recognise(self, conversations: Mapping[str, Conversation]) -> None:
        """Find the conversations that files without one have begun before a program was killed: those that
        have no file and say the same.
        """
        recorded = {record.id for record in self._work.base.of("story")}
        for path, story in self._loose.items():
            owner = self._owner_of(path)
            if story.conversation in conversations or owner is None or not story.blocks:
                continue
            for conversation in conversations.values():
                belongs = owner.id in (conversation.character_id, conversation.group_id)
                if not belongs or conversation.id in recorded:
                    continue
                branches = await self._database.read(partial(_load, identity=conversation.id))
                branch = next((branch for branch in branches if _says(story, branch)), None)
                if branch is not None:
                    recorded.add(conversation.id)
                    blocks = zip(story.blocks, branch.messages, strict=True)
                    named = tuple(Block(m.id, m.role, m.name, block.text) for block, m in blocks)
                    self._loose[path] = replace(story, conversation=conversation.id, blocks=named)
                    break


def _load(connection: Connection, identity: str) -> list[Branch]:
    return branches_of(load_said(connection, identity), load_conversation(connection, identity).head_id)


def _says(story: StoryText, branch: Branch) -> bool:
    return len(story.blocks) == len(branch.messages) and all(map(same_words, story.blocks, branch.messages))


def _is_alike(story: StoryText, conversation: Conversation, branch: Branch) -> bool:
    """Whether a file says what the library has, but for blanks at the ends of lines."""
    return (
        (story.conversation, story.title) == (conversation.id, conversation.title)
        and len(story.blocks) == len(branch.messages)
        and all(
            (block.id, block.role, block.name) == (message.id, message.role, message.name)
            and text_hash(block.text) == text_hash(message.text)
            for block, message in zip(story.blocks, branch.messages, strict=True)
        )
    )


def _title(conversation: Conversation) -> str:
    if conversation.title.strip():
        return conversation.title
    return f"{datetime.fromtimestamp(conversation.created_at / 1000):%Y-%m-%d %Hh%M}"
