"""Trackers: named prompts that own one value and revise it.

shape         what a value may look like: a JSON schema or a text's pattern
answers       what a model answered, read leniently and held against the shape
instructions  what a model is told
templates     ready-made trackers in both languages
keeper        revising them: by command, after replies, after a memory
wording       values as words of a prompt
rows          a tracker as JSON

Where they are kept: `lunalux_core.library.trackers`.
"""
