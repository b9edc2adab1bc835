"""The data bank: documents that replies may draw on.

document_text   a file's text: txt, md, html, pdf, epub, under limits
document_files  a file as a document, not yet stored, and its text split into passages
document_rows   documents and passages as JSON
documents_in_chat_files  the documents of a conversation inside our own JSON of it

Where they are kept and found: `lunalux_core.library.bank_documents`; which passages go into a prompt:
`lunalux_core.dialogue.nodes.bank`.
"""
