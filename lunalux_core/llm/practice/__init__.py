"""The practice model: built in, offline, deterministic."""
