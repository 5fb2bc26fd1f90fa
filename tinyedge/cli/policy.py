"""``tinyedge policy``: start a policy file, and check one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyedge.cli.options import DataDirOption, Format, FormatOption, print_json, stdout

if TYPE_CHECKING:
    from tinyedge.gate import Policy

app = typer.Typer(
    help="Start a policy file (init), or check one (check).",
    epilog="Example: tinyedge policy init release.toml",
    no_args_is_help=True,
)


@app.command("init")
def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("release.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file where it is there.")] = False,
) -> None:
    """Write the default policy, commented, to start your own from.

    \b
    Examples:
      tinyedge policy init
      tinyedge policy init ci/release.toml
    """
    from tinyedge.errors import UsageError
    from tinyedge.files import check_writable, write_atomic
    from tinyedge.gate import DEFAULT_POLICY, policy_toml

    check_writable(file)
    if file.exists() and not force:
        raise UsageError(
            "the file is there already",
            where=file,
            expected="a new file",
            fix="choose another name, or overwrite it with --force",
        )
    write_atomic(file, policy_toml(replace(DEFAULT_POLICY, general=replace(DEFAULT_POLICY.general, name=file.stem))))
    typer.echo(f"{file}: the default policy; change its limits, then: tinyedge policy check {file}")


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The policy file.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Check that this dataset has the classes that the policy names, too."),
    ] = None,
    data_dir: DataDirOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Validate a policy file and print what it means: what differs from the default, and its digest.

    \b
    Examples:
      tinyedge policy check release.toml
      tinyedge policy check release.toml --data my_images/
    """
    from tinyedge.gate import read_policy
    from tinyedge.gate.policy_summary import cautions, changes

    policy = read_policy(file)
    if data is not None:
        _check_names(policy, file, data, data_dir)
    if format is Format.JSON:
        print_json(
            {
                "name": policy.name,
                "digest": policy.digest,
                "changes": [asdict(change) for change in changes(policy)],
                "cautions": list(cautions(policy)),
                "settings": policy.as_dict(),
            }
        )
    else:
        _print(policy, data)


def _check_names(policy: Policy, file: Path, data: str, data_dir: Path | None) -> None:
    from tinyedge.data import load_dataset
    from tinyedge.gate.policy_names import check_names

    dataset = load_dataset(data, "test", data_dir=data_dir)
    check_names(policy, class_names=dataset.class_names, superclass_names=dataset.superclass_names, file=file)


def _print(policy: Policy, data: str | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    from tinyedge.gate.policy_summary import cautions, changes, with_unit
    from tinyedge.report.words import inert

    judged = [name for name, rule in policy.rules.items() if rule.enabled]
    off = [name for name in policy.rules if name not in judged]
    rows = [
        ("policy", f"{policy.name!r}, digest {policy.digest[:12]}"),
        ("judges", ", ".join(judged)),
        ("off", ", ".join(off) or "nothing"),
        ("bounds", f"each at {policy.confidence:g} confidence, from {policy.min_images:,} images on"),
    ]
    for change in changes(policy):
        if isinstance(change.value, list):
            rows += [("group", _group(table, with_unit)) for table in change.value]
        elif change.key != "enabled" and change.section != "policy":
            default = with_unit(change.key, change.default)
            rows.append(
                ("limit", f"{change.section}.{change.key}: {with_unit(change.key, change.value)} (default {default})")
            )
    rows += [("caution", text) for text in cautions(policy)]
    if data is not None:
        rows.append(("classes", f"{data} has every class that the policy names"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim", width=7)
    table.add_column()
    for label, text in rows:
        table.add_row(label, escape(inert(text)))
    stdout().print(table)


def _group(table: dict[str, Any], with_unit: Callable[[str, Any], str]) -> str:
    members = [f"{len(table[key])} {key}" for key in ("classes", "superclasses") if table[key]]
    limits = [f"{key} {with_unit(key, value)}" for key, value in table.items() if isinstance(value, float)]
    return f"{table['name']}: {' and '.join(members)}, {', '.join(limits)}"
