"""Models behind a server: protocols, calls, streams, failures."""
