"""What the sections of the settings may ask of the screen they stand on."""

from __future__ import annotations

from typing import Protocol


class SettingsHost(Protocol):
    """The settings screen (`settings.screen.SettingsScreen`) as its sections see it."""

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a section; `enter` puts the cursor into it, on the row `at` if one is named."""

    def explain(self) -> None:
        """Explain what the cursor stands on."""

    def show_failure(self, error: BaseException) -> None:
        """Tell a failure."""
