"""The command `holdfast SUBCOMMAND …`: finds the subcommand that an installed part registered, and hands over.

Parts register under the entry-point group "holdfast.commands", each a `main(argv) -> int`; this module imports none
of them before it is asked to.
"""

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import cast

_GROUP = "holdfast.commands"
_EXIT_USAGE = 2
_EXIT_NOT_INSTALLED = 69  # EX_UNAVAILABLE of sysexits.h


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand and returns its exit status; 2: wrong usage, 69: its part is not installed."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {entry.name: entry for entry in metadata.entry_points(group=_GROUP)}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help(commands))
        return 0 if arguments else _EXIT_USAGE
    if arguments[0] in ("-V", "--version"):
        sys.stdout.write(f"holdfast {metadata.version('holdfast')}\n")
        return 0
    entry = commands.get(arguments[0])
    if entry is None:
        return _unknown(arguments[0], commands)
    try:
        command = cast(Callable[[Sequence[str]], int], entry.load())
    except ModuleNotFoundError as error:
        return _not_installed(entry, error)
    return command(arguments[1:])


def _help(commands: Mapping[str, metadata.EntryPoint]) -> str:
    names = "".join(f"  {name}\n" for name in sorted(commands)) or "  none is installed\n"
    return (
        "usage: holdfast SUBCOMMAND [ARGUMENT ...]\n\n"
        f"subcommands (each has a --help of its own):\n{names}\n"
        "options:\n  -h, --help     this text\n  -V, --version  the version\n"
    )


def _unknown(name: str, commands: Mapping[str, metadata.EntryPoint]) -> int:
    near = difflib.get_close_matches(name, commands, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; `holdfast --help` lists them"
    sys.stderr.write(f"holdfast: there is no subcommand {name!r}{hint}\n")
    return _EXIT_USAGE


def _not_installed(entry: metadata.EntryPoint, error: ModuleNotFoundError) -> int:
    # A part's package is called holdfast_PART and its extra PART; what is missing is one of its dependencies.
    extra = entry.module.partition(".")[0].removeprefix("holdfast_")
    sys.stderr.write(
        f"holdfast: {entry.name!r} needs the module {error.name!r}; install it with: pip install 'holdfast[{extra}]'\n"
    )
    return _EXIT_NOT_INSTALLED


if __name__ == "__main__":
    raise SystemExit(main())
