"""The pane of what a story remembers: memories, trackers, documents, and how the window is filled."""
