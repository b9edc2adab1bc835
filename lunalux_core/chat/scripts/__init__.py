"""What scripts can do to a conversation: the same for the app and for the command line.

`host` is the side of the app that `stscript` sees; the other modules hold the commands by subject, and
`surface` is what differs between a screen and a terminal.
"""
