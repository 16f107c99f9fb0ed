"""A second reader, written from docs/wire-format.md alone: no code of ours that opens, verifies or defines anything.

It takes frames, domains, code lists and limits from the page's tables as they stand there, and the rest from its words.
"""
