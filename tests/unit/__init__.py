"""Without sockets, mirroring the source."""
