"""The workshop of the character editor: a draft with undo, what is wrong with it, and its way to the library.

Nothing here knows a screen. `draft` holds the document and its history, `fields` what a form shows of it,
`greetings` and `book` the edits of lists, `checks` the verdicts, `trial` a worldbook on a sample text, and
`draft_store` keeps drafts between starts and turns them into characters and files.
"""
