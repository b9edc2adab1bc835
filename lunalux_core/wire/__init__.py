"""Pydantic bodies of the HTTP API, shared by client and backend (BACKEND 1.3).

Python names are snake_case, the wire keeps the documented camelCase spellings; the mapping between the
two lives here and nowhere else. No I/O.
"""
