"""Tests of `schemas.http`."""
