"""Chat files: SillyTavern's JSON lines, other programs' files, Markdown."""
