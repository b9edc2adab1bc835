"""Scenarios that authors replay: `lunalux macro test`, `preset test`, `regex test`, `worldbook test`."""
