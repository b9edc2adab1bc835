"""The storage port, its two adapters, and the blobs beside them.

See docs/spec/backend.md: Storage port.
"""
