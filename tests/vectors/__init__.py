"""Committed vectors: messages as bytes, with the verdicts, reasons and rows that any implementation must come to."""
