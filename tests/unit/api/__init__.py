"""Tests of `broker.api`."""
