"""`entente settings`: every setting of every process, as `docs/settings.md` has them.

entente settings > docs/settings.md
"""

import typer

from deploy.reference import reference

app = typer.Typer(help="Print every setting with its type, default and meaning.")


@app.callback(invoke_without_command=True)
def settings() -> None:
    """Print every setting with its type, default and meaning."""
    print(reference(), end="")
