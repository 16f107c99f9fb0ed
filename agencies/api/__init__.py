"""The officers' API of a node: one port a node, inside its process."""
