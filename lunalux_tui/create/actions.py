"""What can be done in the character editor."""

from __future__ import annotations

from lunalux_tui.actions import Action

CREATE_ACTIONS = (
    Action("create.save", "save", "ctrl+s", footer=20, priority=True),
    Action("create.chat", "chat", "ctrl+t", footer=21, priority=True),
    Action("create.preview", "preview", "ctrl+b", footer=22, priority=True),
    Action("create.open", "open", "ctrl+o", footer=23, priority=True),
    Action("create.editor", "editor", "ctrl+g", footer=24, priority=True),
    Action("create.undo", "undo", "ctrl+z", footer=25, priority=True),
    Action("create.redo", "redo", "ctrl+y,ctrl+shift+z", priority=True),
    Action("create.sections", "sections", "escape", footer=10, palette=False),
    Action("create.next_section", "section(1)", "ctrl+pagedown,alt+pagedown", priority=True),
    Action("create.previous_section", "section(-1)", "ctrl+pageup,alt+pageup", priority=True),
    Action("create.problems", "problems"),
    Action("create.import", "import", "ctrl+l", priority=True),
    Action("create.export", "export"),
    Action("create.publish", "publish"),
    Action("create.picture", "picture"),
    Action("create.no_picture", "no_picture"),
    Action("create.copy_json", "copy_json"),
    Action("create.save_json", "save_json"),
    Action("create.clear", "clear"),
    Action("create.discard", "discard"),
    Action("create.test_book", "test_book", "f10", footer=26, priority=True),
)
