"""What can be known of rules without asking them on examples: proofs by z3, and what is built on them.

The way: `logic` says a rule as a formula, `world` says what can be asked of it at all, `witness` makes a concrete
record of what a solver found and replays it through Cedar. On these stand `prove`, `plan`, `mutate` and `lint`.

A solver's process-wide state is z3's own: use these from one thread at a time.
"""
