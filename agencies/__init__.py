"""An agency's own software: the node. It alone holds the keys that open what the agency was given.

Read in this order: drafting, sealing, outbox, opening, inbox, receipts; `node` puts them together.
"""
