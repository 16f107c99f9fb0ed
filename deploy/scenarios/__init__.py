"""The scenario language, the scenarios that are shipped, and what a run needs of one."""

from pathlib import Path

SHIPPED = Path(__file__).parent
"""`channel`, `small`, and the template of `entente simulate new`."""
