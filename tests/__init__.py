"""Tests, one folder a kind; each asserts something that can fail."""
