"""What the hub's cache on this machine holds, and loading without bars. Downloads nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError

#: what every from_pretrained is given: nothing is downloaded, and no code that lies beside weights runs
LOCAL: Mapping[str, Any] = {"local_files_only": True}  # diffusers runs no code of a folder
CLOSED: Mapping[str, Any] = {**LOCAL, "trust_remote_code": False}  # transformers would ask


_OFFLINE = "HF_HUB_OFFLINE"
_OURS = "DUMO_BENCH_OFFLINE"  # that this program has set it, not its user


def close() -> None:
    """Nothing is downloaded by chance: what lacks is said, with what to type."""
    if _OFFLINE not in os.environ:
        os.environ |= {_OFFLINE: "1", _OURS: "1"}


def open_() -> None:
    """Let a command that is there to speak to the hub do so, unless the user has closed it."""
    if os.environ.get(_OFFLINE, "0") not in ("", "0") and _OURS not in os.environ:
        raise UserError(f"{_OFFLINE}={os.environ[_OFFLINE]} closes the hub: unset it for this command")
    os.environ[_OFFLINE] = "0"
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = False  # it may have been imported before


def snapshot(repository: str, revision: str = "") -> Path | None:
    """The folder of a repository (owner/name); None where it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None


def file(repository: str, name: str) -> Path | None:
    """One file of a repository; None where it is not there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None


def quiet_loading() -> None:
    """No bar for every small file that transformers loads; downloads keep theirs."""
    from huggingface_hub.utils.tqdm import enable_progress_bars
    from transformers.utils import logging

    logging.disable_progress_bar()
    enable_progress_bars()
