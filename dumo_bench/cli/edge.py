"""Where the program meets its user and the machine: whose fault an error is, and what stdout can take."""

from __future__ import annotations

import errno
import inspect
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar

import typer

from dumo_bench import progress
from dumo_bench.errors import UserError
from dumo_bench.hosts import memory
from dumo_bench.storage import remote

F = TypeVar("F", bound=Callable[..., Any])
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Say more, with the time.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Results and errors alone.")]
PIPE = 141  # what a shell calls a program that wrote to a pipe which nobody reads any more
#: what typer raises of words that it cannot parse: its own class, or click's under older versions of it
_USAGE = typer.BadParameter.__mro__[1]
#: errors of libraries that are the machine's, by name, so that the libraries are not loaded for them
_MACHINE = {
    "SafetensorError": "a file of tensors could not be read or written",
}
#: packages that a machine need not have which only reads results (docs/platforms.md)
_MODELS = frozenset(
    ("torch", "torchvision", "diffusers", "transformers", "nudenet", "onnxruntime", "cv2", "cleanfid", "open_clip")
)


def fault(error: Exception) -> str | None:
    """What a user or the machine did, in words; None of an error that is a bug, "" where help was shown instead."""
    if isinstance(error, (UserError, _USAGE)):
        return str(error) if isinstance(error, UserError) else _usage(error)
    if isinstance(error, (OSError, ModuleNotFoundError)):
        return _disk(error) if isinstance(error, OSError) else _lacking(error)
    if type(error).__name__ == "SafetensorError" and "os error 28" in str(error):
        return f"the disk is full ({error}): free some space and type the same command again"
    if memory.full(error):
        return f"{memory.said(error)}: try a smaller --batch-size, or a smaller --limit"
    if says := _MACHINE.get(type(error).__name__):
        return f"{says} ({str(error).strip().partition(chr(10))[0]})" if str(error) else says
    said = remote.fault(error)
    return said and f"{said}: type the same command again to go on"


def _lacking(error: ModuleNotFoundError) -> str | None:
    """A package of ours that only runs of models need; None of any other, which is a plugin's or a bug."""
    if (name := (error.name or "").partition(".")[0]) not in _MODELS:
        return None
    from dumo_bench.run import machine

    return f"{name} is not installed: this machine can read results; to run models {machine.INSTALL}"


def _usage(error: Any) -> str:
    """What was typed wrong, in one line that names the command; "" of a group without one, which has shown its help."""
    said = " ".join(error.format_message().split()).rstrip(".")
    typed = error.ctx.command_path if said and error.ctx else ""
    _, _, command = typed.partition(" ")
    return f"{command}: {said}: see {typed} --help".removeprefix(": ") if typed else said


def _disk(error: OSError) -> str:
    """The file, and what the system says of it."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    said = error.strerror or next(iter(str(error).strip().splitlines()), type(error).__name__)
    hint = {errno.ENOSPC: ": free some space and type the same command again", errno.EROFS: ": choose another --out"}
    return ": ".join([*names, said]) + hint.get(error.errno or 0, "")


def guarded(command: F) -> F:
    """The command, with `~` in what it was given expanded: a shell leaves it as it is in --out=~/results.

    What it loads cannot end the program as if all were well, and a closed pipe ends it quietly. It has the options -v
    and -q, as the program itself has.
    """

    @wraps(command)
    def run(*args: Any, verbose: bool = False, quiet: bool = False, **options: Any) -> Any:
        loudness(verbose, quiet)
        try:
            found = command(*args, **{name: home(value) for name, value in options.items()})
            sys.stdout.flush()
            return found
        except BrokenPipeError:
            discard()
            raise typer.Exit(PIPE) from None
        except SystemExit as stop:
            raise UserError(
                f"{command.__name__}: a plugin or a library called sys.exit({stop.code!r}): nothing more was done; "
                "wanted an exception that says what is wrong"
            ) from stop

    own, more = inspect.signature(command, eval_str=True), {"verbose": Verbose, "quiet": Quiet}
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
             for name, kind in more.items()]  # fmt: skip
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**run.__annotations__, **more}
    return run  # type: ignore[return-value]


def loudness(verbose: bool, quiet: bool) -> None:
    """Say more, or results and errors alone; libraries too."""
    if verbose and quiet:
        raise UserError("-v and -q: choose one")
    if verbose or quiet:
        progress.listen(logging.DEBUG if verbose else logging.ERROR)
    if quiet:
        os.environ.update(TRANSFORMERS_VERBOSITY="error", DIFFUSERS_VERBOSITY="error")  # read as they are imported


def home(value: Any) -> Any:
    """A path, or a text that begins like one, with the user's folder in place of `~`."""
    if isinstance(value, list):
        return [home(one) for one in value]
    try:
        if isinstance(value, Path):
            return value.expanduser()
        return str(Path(value).expanduser()) if isinstance(value, str) and value.startswith("~") else value
    except RuntimeError as error:
        raise UserError(f"{value}: {error}") from error  # ~nobody


def speakable() -> None:
    """Whatever a text holds, stdout and stderr can say it: what their encoding lacks as an escape, and what a shell
    closed (>&-) to nobody."""
    nobody = Path(os.devnull)
    sys.stdout = sys.stdout or nobody.open("w", encoding="utf-8")  # as long as the program
    sys.stderr = sys.stderr or nobody.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def end(code: Any) -> NoReturn:
    """Leave, with what is still to be written; a pipe that is closed by now is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard()
        sys.exit(PIPE)
    sys.exit(code)


def discard() -> None:
    """Nobody reads any more: what is still written goes nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
