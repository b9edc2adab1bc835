"""The workshop of the character editor: a draft with undo, what is wrong with it, and its way to the library.

Nothing here knows a screen. `draft` holds the document and its history, `card_fields` what a form shows of
it, `greetings` and `card_worldbook` the edits of lists, `draft_checks` the verdicts, `worldbook_test` a
worldbook on a sample text. `draft_store` keeps drafts between starts and turns them into characters,
`draft_files` into files.
"""
