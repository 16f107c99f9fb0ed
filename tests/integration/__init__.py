"""On a real cluster and real SQL."""
