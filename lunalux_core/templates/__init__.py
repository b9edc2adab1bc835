"""Templates for text completion: from the turns of a chat to one text, and from a model's text to a reply.

template_values  what a template is         template_files  SillyTavern's files, old ones too
handlebars       the story string's syntax  story_string    the story string filled
turn_texts       messages as text           stops           where a reply must end
cleanup          what is left of a reply    template_activation  which template a model takes
builtin          our own set                served          what a server's own chat template is
request          one instruction as text
"""
