"""The command line: one module a command, each light to import; what is heavy is imported when it runs."""

from __future__ import annotations

import sys
import traceback

import typer

from tinyedge import __version__, errors
from tinyedge.cli import (
    boards,
    compare,
    data,
    doctor,
    evaluate,
    export,
    family,
    firmware,
    fit,
    parity,
    policy,
    power,
    repair,
    report,
    scaling,
    sweep,
    targets,
    train,
    tune,
    validate,
)
from tinyedge.cli.options import drop_stdout

app = typer.Typer(
    name="tinyedge",
    help="Validate a tiny classifier on the deployed artifact, on the deployed arithmetic, at the deployed size.",
    epilog="Exit codes: 0 pass, 1 a gate failed, 2 bad usage or input, 3 inconclusive, 4 the target could not run, "
    "70 internal error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("validate")(validate.validate)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("power")(power.power)
app.add_typer(policy.app, name="policy")
app.command("evaluate")(evaluate.evaluate)
app.command("parity")(parity.parity)
app.command("fit")(fit.fit)
app.command("boards")(boards.boards)
app.command("family")(family.family)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("sweep", cls=sweep.RayCommand)(sweep.sweep)
app.command("scaling")(scaling.scaling)
app.command("export")(export.export)
app.command("repair")(repair.repair)
app.command("firmware")(firmware.firmware)
app.command("targets")(targets.targets)
app.command("doctor")(doctor.doctor)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"tinyedge {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit the process: the entry point of the ``tinyedge`` script."""
    code = run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code, whatever happens.

    Python's own exit code for a traceback is 1, which here means that a gate failed: every exception is caught.
    """
    try:
        result = app(args=arguments, standalone_mode=False)
        return result if isinstance(result, int) else errors.PASS
    except errors.TinyedgeError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("interrupted", err=True)
        return 130
    except (BrokenPipeError, SystemExit):  # the help page's printer exits with 1 when its reader has gone
        return 141  # 128 + SIGPIPE, as any program that is cut off
    except MemoryError:
        typer.echo("error: out of memory\n  to do:    evaluate fewer images with --images N", err=True)
        return errors.BAD_INPUT
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not end as exit code 1
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # the parser's own errors: usage
            error.show()
            return errors.BAD_INPUT
        if isinstance(error, OSError) and error.filename is not None:
            typer.echo(f"error: {error.strerror}\n  where:    {error.filename}", err=True)
            return errors.BAD_INPUT
        traceback.print_exc()
        typer.echo(f"internal error: this is a bug in tinyedge {__version__}, please report the lines above", err=True)
        return errors.INTERNAL
