"""Verification with public keys alone: files in, a report of every check out. No cluster, no store, no private key."""
