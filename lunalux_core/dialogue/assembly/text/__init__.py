"""The assembly for text completion: the same material as for chats, but one text instead of messages.

Worldbooks, notes, texts at a depth, examples and the budget work as in the other assemblies. A template says
how they are written, and texts at a depth are filled before the history, both as in SillyTavern. Three
differences from SillyTavern are intended: a turn that is continued never gets its name twice, fixed parts
that do not fit raise an error, and the events of turns that do not fit are sent as a memory.

source       the input
card_texts   the fields of the card as they are sent, and what stands before the examples and turns
prompt_turns all turns as text     fixed        the texts that are always sent
fitting_turns which turns and examples fit beside those
ending       the text after the last turn
pieces       what is sent, in order, as messages and report
assembly     all of these, from the input to the prompt, with where the reply ends and how it is cleaned
"""
