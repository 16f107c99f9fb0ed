"""What several tests stand on: a federation in memory, made by the real ceremony."""
