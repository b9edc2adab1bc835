"""Templates for text completion: from the turns of a chat to one text, and from a model's text to a reply.

values      what a template is         reading    SillyTavern's files, old ones too
handlebars  the story string's syntax  story      the story string filled
turns       messages as text           stops      where a reply must end
cleanup     what is left of a reply    choice     which template a model takes
builtin     our own set                served     what a server's own chat template is
request     one instruction as text
"""
