"""The tree of a conversation: every branch, and the way to another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.library.conversations import TreeNode

DEEPEST = 12


class TreeDialog(PickDialog):
    """Shows all messages; answers the id of the one to go to, or None."""

    def __init__(self, nodes: Sequence[TreeNode], head_id: str) -> None:
        super().__init__(
            question("tree.title"), list(tree_rows(nodes)), current=head_id, hint=question("tree.hint")
        )


def tree_rows(nodes: Sequence[TreeNode]) -> Iterator[Row]:
    """The nodes as rows, depth first; only a fork moves to the right, so straight chats stay straight."""
    children: dict[str, list[TreeNode]] = {}
    for node in nodes:
        children.setdefault(node.parent_id, []).append(node)
    stack = [(node, 0, len(children.get("", ())) > 1) for node in reversed(children.get("", ()))]
    while stack:
        node, level, forked = stack.pop()
        below = children.get(node.id, ())
        indent = "│ " * min(level, DEEPEST)
        sign = "├╴" if forked else ""
        right = t("tree.branches", n=len(below)) if len(below) > 1 else ""
        if node.mark:
            right = f"⚑ {node.mark}" + (f"  {right}" if right else "")
        words = node.preview.replace("*", "")
        title = f"{node.name}: {words}" if node.name else words
        yield Row(node.id, title, right=right, mark="●" if node.on_path else "○", indent=indent + sign)
        inner = level + (1 if forked else 0)
        stack.extend((child, inner, len(below) > 1) for child in reversed(below))
