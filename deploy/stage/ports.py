"""Ports for services that others must know of before they run: free now, on the loopback."""

import socket


def free_port() -> int:
    """A port that nobody listens on at this moment; whoever gets it keeps it over its restarts."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
