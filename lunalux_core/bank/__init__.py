"""The data bank: documents that replies may draw on.

reading    a file's text: txt, md, html, pdf, epub, under limits
passages   a text split into passages
files      a file as a document, not yet stored
choice     which passages go into a prompt, and their words
rows       documents and passages as JSON

Where they are kept and found: `lunalux_core.library.bank_documents`.
"""
