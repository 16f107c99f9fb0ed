"""`entente doctor`: what is missing on this computer, one sentence each, and how to get it."""

from __future__ import annotations

import typer

from deploy import doctor as checks

app = typer.Typer(add_completion=False)


@app.command()
def doctor() -> None:
    """Say what is missing on this computer, and how to get it."""
    raise typer.Exit(checks.main())
