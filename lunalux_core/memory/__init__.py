"""Memories of a story: written, chosen for prompts, exported.

memory_books memories as worldbooks and as Markdown, both ways
entries    adding by hand, merging, splitting
recall     which memories match a text
selection  which of them go into a prompt, which messages they replace, and why others do not
embeddings vectors of texts from an embedding server
vector_ranking similarity by vectors: of memories, passages, entries of worldbooks
memory_reader the memories of a branch, for a turn
story_memory  those memories, ready for all turns until one changes
memory_wording memories as text of a prompt
due        which messages are to be summarised next
model_requests requests to the model that writes
background background tasks of conversations
consent    whether the person agreed to a model that costs
writer     when memories are written: in the background or on request
summary_writer one memory, written by a model: of a scene or a chapter
storage    storing it, only if nothing changed meanwhile
memory_instructions the instructions for the model that writes
memory_answers reading and checking its answers
memory_rows a memory as JSON
memories_in_chat_files memories inside our own JSON of a conversation and SillyTavern's

Where they are kept: `lunalux_core.library.memories`.
"""
