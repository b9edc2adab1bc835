"""What scripts can do to a conversation: the same for the app and for the command line.

`conversation_host` is the side of the app that `stscript` sees; the modules named `…_commands` hold
the commands by subject, and `surface` is what differs between a screen and a terminal.
"""
