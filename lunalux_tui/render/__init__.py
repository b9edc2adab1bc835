"""From a message's text to lines of styled runs. Pure: no widget, no terminal, no input or output."""
