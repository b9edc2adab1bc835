"""Trackers: named prompts with a value each, which a model revises.

shape         what a value may look like: a JSON schema or the pattern of a text
answers       reading a model's answer and checking it against the shape
instructions  the instructions for the model
templates     ready-made trackers in both languages
keeper        revising them: on request, after replies, after a memory
wording       values as text of a prompt
rows          a tracker as JSON

Where they are kept: `lunalux_core.library.trackers`.
"""
