"""Trackers: named prompts with a value each, which a model revises.

shape                 what a value may look like: a JSON schema or the pattern of a text
tracker_answers       reading a model's answer and checking it against the shape
tracker_instructions  the instructions for the model
tracker_templates     ready-made trackers in both languages
keeper                revising them: on request, after replies, after a memory
tracker_rows          a tracker as JSON
trackers_in_chat_files  trackers inside our own JSON of a conversation

Where they are kept: `lunalux_core.library.trackers`; their values as text of a prompt:
`lunalux_core.dialogue.nodes.tracker_values`.
"""
