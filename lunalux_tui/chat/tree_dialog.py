"""The tree of a conversation: every branch, and the way to another one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult

from lunalux_core.errors import NotFound
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.render.message import moment
from lunalux_tui.theme.styles import BOLD, CHARACTER, USER

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Message, TreeNode

DEEPEST = 12


class TreeDialog(PickDialog):
    """Shows all messages and the whole text of the one under the cursor; answers the id of the one to go to,
    or None.

    Args:
        read: the message of an id; NotFound where it is gone meanwhile.
    """

    SIZE = "-tall -widest"

    def __init__(
        self, nodes: Sequence[TreeNode], head_id: str, read: Callable[[str], Awaitable[Message]]
    ) -> None:
        super().__init__(
            question("tree.title"), list(tree_rows(nodes)), current=head_id, hint=question("tree.hint")
        )
        self._read = read

    def compose_body(self) -> ComposeResult:
        yield from super().compose_body()
        reader = Reader(id="tree-told")
        reader.can_focus = False  # keys narrow the list
        yield reader

    def on_mount(self) -> None:
        super().on_mount()
        self._moved()

    @on(Rows.Moved, "#choices")
    def _moved(self) -> None:
        self._preview(self.rows.chosen)

    @work(group="preview", exclusive=True, exit_on_error=False)
    async def _preview(self, message_id: str) -> None:
        """Show the words that choosing this row leads to."""
        try:
            message = await self._read(message_id)
        except NotFound:
            # Deleted since the tree was read, by another program.
            self.query_one(Reader).show(())
            return
        tone = USER if message.role == "user" else CHARACTER
        head = f"{message.name}  {moment(message.created_at)}".strip()
        self.query_one(Reader).show([(head, tone | BOLD), (message.content.replace("*", ""), 0)])


def tree_rows(nodes: Sequence[TreeNode]) -> Iterator[Row]:
    """The nodes as rows, depth first; only a fork moves to the right, so straight chats stay straight.

    Who speaks is told by the colour of the sign; by name where several characters do.
    """
    children: dict[str, list[TreeNode]] = {}
    speakers = set()
    for node in nodes:
        children.setdefault(node.parent_id, []).append(node)
        if node.role == "assistant":
            speakers.add(node.name)
    stack = _forked(children.get("", ()), "")
    while stack:
        node, lines, forked, last = stack.pop()
        below = children.get(node.id, ())
        sign = ("└╴" if last else "├╴") if forked else ""
        right = t("tree.branches", n=len(below)) if len(below) > 1 else ""
        if node.mark:
            right = f"⚑ {node.mark}" + (f"  {right}" if right else "")
        words = node.preview.replace("*", "")
        title = f"{node.name}: {words}" if node.role == "assistant" and len(speakers) > 1 else words
        yield Row(
            node.id,
            title,
            right=right,
            mark="●" if node.on_path else "○",
            indent=lines + sign,
            tone=USER if node.role == "user" else CHARACTER,
        )
        # Deeper forks no longer move to the right, or no room would be left for words.
        inner = lines + ("  " if last else "│ ") if forked and len(lines) < 2 * DEEPEST else lines
        stack.extend(_forked(below, inner))


def _forked(nodes: Sequence[TreeNode], lines: str) -> list[tuple[TreeNode, str, bool, bool]]:
    """What hangs below one node, the last first: with the lines at its left, whether it is one of several,
    and whether it is the last of them."""
    end = len(nodes) - 1
    return [(node, lines, end > 0, place == end) for place, node in reversed(list(enumerate(nodes)))]
