"""`trapbench fetch`: get guests that are not ours."""

from __future__ import annotations

import click


@click.command("fetch")
@click.argument("what", type=click.Choice(["linux"]))
@click.option(
    "--version",
    "versions",
    multiple=True,
    metavar="V",
    help="Repeatable; 6.1 and 6.12 unless given.",
)
def command(what: str, versions: tuple[str, ...]) -> int:
    """Get Debian's Linux kernel and its static busybox into the cache, through the package manager, without root.

    Prints the files' paths: unpacked kernels, which `--workload linux` and `--kernel` boot; beside each is the
    vmlinuz that it came in, which unpacks itself when it is booted.
    """
    from trapbench import linux_packages

    for path in linux_packages.fetch(versions or linux_packages.VERSIONS):
        click.echo(path)
    return 0
