"""How soon `--help` and `list` answer: processor seconds of a fresh interpreter, against the import of typer and rich.

    python benchmarks/startup.py [--rounds 5]

The commands and the bare import take turns; the least of the rounds counts, since nothing but noise adds to it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Sequence

COMMANDS = (["--help"], ["run", "--help"], *(["list", what] for what in ("methods", "scorers", "suites", "models")))
RUN = "import sys; from dumo_bench.cli.app import main; main(sys.argv[1:])"
BARE = ("-c", "import typer, rich.console, rich.table")


def seconds(argv: Sequence[str]) -> float:
    """Processor seconds, user and system, of an interpreter with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ways = {"typer and rich alone": BARE} | {" ".join(c): ("-c", RUN, *c) for c in COMMANDS}
    turns = [{name: seconds(argv) for name, argv in ways.items()} for _ in range(rounds)]
    least = {name: min(turn[name] for turn in turns) for name in ways}
    floor = least["typer and rich alone"]
    print("| command | seconds | / typer and rich |\n| --- | ---: | ---: |")
    for name, took in least.items():
        print(f"| {name} | {took:.2f} | {took / floor:.2f} |")


if __name__ == "__main__":
    main()
