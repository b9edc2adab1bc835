"""What a story remembers.

books      memories as worldbooks and as Markdown, both ways
entries    adding by hand, merging, splitting
recall     which memories a text calls for
selection  which of them go into a prompt, which messages they replace, and why the rest stays out
embeddings vectors of texts from an embedding server
vectors    closeness by them: of memories, passages, entries of worldbooks
reading    the memories of a branch as a turn sees them
wording    memories as words of a prompt
due        which messages are to be remembered next
asking     one request to a writer
writer     writing behind the reply
instructions what a writer is told
answers    what a writer said, read leniently and checked strictly
rows       a memory as JSON

Where they are kept: `lunalux_core.library.memories`.
"""
