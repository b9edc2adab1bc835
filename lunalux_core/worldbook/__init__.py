"""Worldbooks (lorebooks): their files, their entries, and the engine that activates entries."""
