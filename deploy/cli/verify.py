"""`entente verify`: parcels, certificates, ledgers and directories, verified with nothing but public keys.

    entente verify export RUN --agency fr-oltim --record 0190… --out record.json
    entente verify certificate record.json --genesis 3f…
    entente verify ledger ledger.json --genesis 3f…
    entente verify ledger proof.json --checkpoint signed.json --directory record.json --genesis 3f…

The genesis digest is the one root of trust: have it from elsewhere than the file. Exit codes: 0 everything held,
1 something did not, 2 the input is nothing that could be verified.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.errors import Refused
from deploy.verify.files import (
    certificate_report,
    directory_report,
    ledger_report,
    parcel_report,
    pinned,
    read_versions,
)
from deploy.verify.report import Report, Unusable
from schemas.ids import AgencyId

app = typer.Typer(no_args_is_help=True, help="Verify evidence with public keys alone.")

File = Annotated[Path, typer.Argument(help="The file to verify.")]
Genesis = Annotated[str, typer.Option(help="Digest of the genesis, that you have from elsewhere.")]
Directory = Annotated[
    Path | None, typer.Option(help="File with the signed versions, if FILE does not hold them itself.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.callback()
def verify() -> None:
    """Verify evidence with public keys alone."""


@app.command()
def parcel(
    file: File,
    genesis: Genesis,
    directory: Annotated[Path, typer.Option(help="File with the signed versions.")],
    recipient: Annotated[
        str | None, typer.Option(help="Of a delivery; else as its certificate names.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A message of a submit or deliver topic, as bytes."""
    _told(lambda: parcel_report(file, read_versions(directory), pinned(genesis), recipient), as_json)


@app.command()
def certificate(file: File, genesis: Genesis, directory: Directory = None, as_json: AsJson = False) -> None:
    """A stored delivery, as `entente verify export` writes it."""
    _told(lambda: certificate_report(file, _versions(file, directory), pinned(genesis)), as_json)


@app.command()
def ledger(
    file: File,
    genesis: Genesis,
    directory: Directory = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="With a proof: a checkpoint that it leads to; may be repeated.")
    ] = None,
    entry: Annotated[Path | None, typer.Option(help="With an inclusion proof: the leaf.")] = None,
    as_json: AsJson = False,
) -> None:
    """A ledger as `entente ledger export` writes it, or a checkpoint or a proof as the broker API answers."""
    _told(
        lambda: ledger_report(file, _versions(file, directory), pinned(genesis), checkpoint or (), entry),
        as_json,
    )


@app.command("directory")
def directory_(file: File, genesis: Genesis, as_json: AsJson = False) -> None:
    """The chain of signed versions of an arrangement."""
    _told(lambda: directory_report(file, pinned(genesis)), as_json)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo` prints it.")],
    agency: Annotated[str, typer.Option(help="Whose store is looked into.")],
    record: Annotated[str, typer.Option(help="Id of the record.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Write what proves a stored delivery: its certificate, who signed what, and the signed versions."""
    from deploy.exporting import export_certificate  # knows Kafka and stores, which no verification does

    found = asyncio.run(export_certificate(run, AgencyId(agency), record))
    out.write_text(found.model_dump_json(indent=1) + "\n")
    Console().print(f"number {found.head_number} of the chain and before it, in '{out}'", highlight=False)


def _versions(file: Path, directory: Path | None) -> Sequence[bytes]:
    return read_versions(file if directory is None else directory)


def _told(make: Callable[[], Report], as_json: bool) -> None:
    try:
        report = make()
    except Unusable as error:
        raise Refused(str(error)) from error
    if as_json:
        checks = [{"what": c.what, "by": c.by, "held": c.held, "failure": c.failure} for c in report.checks]
        print(json.dumps({"subject": report.subject, "verified": report.good, "checks": checks}))
    else:
        _show(report)
    if not report.good:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for check in report.checks:
        console.print("ok    " if check.held else "FAILED", check.what, f"[{check.by}]", markup=False)
        if not check.held:
            console.print("       ", check.failure, markup=False)
    failed = sum(not check.held for check in report.checks)
    count = len(report.checks)
    verdict = (
        f"verified: {count} checks" if report.good else f"NOT verified: {failed} of {count} checks failed"
    )
    console.print(f"{report.subject}: {verdict}", markup=False)
