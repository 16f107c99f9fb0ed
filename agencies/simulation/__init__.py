"""Synthetic agencies: seeded plans of what they publish. Every person and every datum is invented."""
