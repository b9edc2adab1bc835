"""What a story remembers.

books      memories as worldbooks and as Markdown, both ways
entries    adding by hand, merging, splitting
recall     which memories a text calls for
rows       a memory as JSON

Where they are kept: `lunalux_core.library.memories`.
"""
