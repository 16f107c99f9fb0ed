"""Why an agency gets a portion or does not, and the smallest changes that would turn it.

The way: `parts` takes permits apart, `levers` says which single edits touch what stands in the way, `edits` makes them,
`turning` searches among them by asking the engine, `explaining` puts it together, `words` says it.
"""
