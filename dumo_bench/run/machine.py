"""What this machine can do, and what to type to get what is missing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.hosts import device, models
from dumo_bench.plugins import loading
from dumo_bench.storage import files, remote
from dumo_bench.suites import registry

INSTALL = (
    "type pip install dumo-bench (without a GPU first: pip install torch torchvision "
    "--index-url https://download.pytorch.org/whl/cpu)"
)


class Finding(NamedTuple):
    """One line: `good` None is a fact, True is present, False is missing and `text` says what to type."""

    about: str
    good: bool | None
    text: str


def examine(out: Path) -> Iterator[Finding]:
    """Machine, models, scorers, suites, disk: the cheap ones first. Imports torch, where it is; never the network."""
    yield Finding("system", None, f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    yield from _devices()
    beside = files.cache() if remote.far(out) else out.resolve()  # copies of what is read lie there
    place = next(folder for folder in (beside, *beside.parents) if folder.exists())
    yield Finding("disk", None, f"{shutil.disk_usage(place).free / 2**30:.1f} GiB free at {place}")
    for name in models.names():
        yield _finding(f"model {name}", lambda name=name: str(models.folder(name)))  # type: ignore[misc]
    for name in loading.names("methods"):
        yield _finding(f"method {name}", lambda name=name: loading.load("methods", name).cite)  # type: ignore[misc]
    for name in loading.names("scorers"):
        yield _finding(f"scorer {name}", lambda name=name: _scorer(name))  # type: ignore[misc]
    parts = {name for name, one in registry.own().items() if one.view}  # they need what the whole needs
    for name in sorted(set(registry.names()) - parts):
        yield _finding(f"suite {name}", lambda name=name: f"{len(registry.load(name).prompts)} prompts")  # type: ignore[misc]
    for extra, packages in extras().items():
        yield _extra(extra, packages)


def peak() -> int | None:
    """The most memory that this process has had, in bytes; None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # bytes on macOS, KiB elsewhere


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except ImportError:
        yield Finding("torch", False, f"not installed: results can be read; to run models {INSTALL}")
        return
    yield Finding("torch", None, torch.__version__)
    if torch.cuda.is_available():
        for n in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(n)
            yield Finding(f"device cuda:{n}", True, f"{about.name}, {about.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        yield Finding("device mps", True, "Apple GPU")
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        yield Finding("device gpu", None, _no_gpu(torch.version.cuda))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    yield Finding("device cpu", True, f"{os.cpu_count()} cores" + (f", {memory:.0f} GiB" if memory else ""))
    yield Finding("on the cpu", None, _cpu())


def _cpu() -> str:
    """What runs on a CPU set by themselves, and what they leave to the user."""
    threads, said = device.fewer_threads(), os.environ.get("OMP_NUM_THREADS")
    why = f"OMP_NUM_THREADS={said}" if said else f"of {device.cores()} usable cores; OMP_NUM_THREADS=1 for equal bytes"
    memory = (
        "memory that is freed is kept for the next tensor" if device.quick_allocator() else "memory as the C library"
    )
    return f"threads: {threads} ({why}); {memory}; denormal numbers as IEEE 754 has them"


def _no_gpu(built: str | None) -> str:
    """That there is none, and what follows; `built`: the CUDA that torch was built for."""
    why = f"torch is built for CUDA {built} and finds no GPU" if built else "torch is built without CUDA"
    return f"none: {why}; emoji-sd needs none, Stable Diffusion takes minutes a picture without one"


def _finding(about: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(about, True, look())
    except (UserError, ImportError) as error:
        return Finding(about, False, str(error))


def _scorer(name: str) -> str:
    scorer = loading.make("scorers", name)
    if problem := scorer.missing_weights():
        raise UserError(problem)
    label = f"weights present: {scorer.label}" if scorer.label else "nothing is missing"
    return f"{label}; {', '.join(metric.name for metric in scorer.metrics)}"


def extras() -> dict[str, list[str]]:
    """The extras that this package has, and the packages that each brings; without what only its developers need."""
    found: dict[str, list[str]] = {}
    for said in requires("dumo-bench") or ():
        if of := re.fullmatch(r"(?P<package>[\w.-]+).*; extra == ['\"](?P<extra>[\w-]+)['\"]", said):
            found.setdefault(of["extra"], []).append(of["package"])
    return {extra: packages for extra, packages in sorted(found.items()) if extra != "dev"}


def _extra(extra: str, packages: Sequence[str]) -> Finding:
    try:
        return Finding(f"extra {extra}", True, ", ".join(f"{package} {version(package)}" for package in packages))
    except PackageNotFoundError:
        return Finding(f"extra {extra}", False, f"not installed: type pip install 'dumo-bench[{extra}]'")
