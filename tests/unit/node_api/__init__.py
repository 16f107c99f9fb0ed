"""The officers' API of a node, without a cluster."""
