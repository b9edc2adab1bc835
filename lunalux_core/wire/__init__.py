"""Pydantic bodies of the HTTP API, shared by client and backend.

Python names are snake_case, the wire keeps the documented camelCase spellings; the mapping between the
two lives here and nowhere else. No I/O.

See docs/spec/backend.md: HTTP API.
"""
