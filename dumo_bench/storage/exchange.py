"""Results folders to the hub and back, as data sets; `HF_ENDPOINT` names another hub.

Nothing else in this program speaks to a hub. The token is where `hf auth login` has put it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.storage import hub

CARD = "README.md"
OWN = ("tables/", "runs/", "images/", "checksums/", "summary.parquet")  # what a push replaces, and a pull fetches


def push(out: Path, files: Sequence[Path], card: str, repository: str, *, private: bool) -> str:
    """Make the data set hold these files of a results folder and this card, in one commit; returns its address.

    Files of an earlier push that the folder has no longer are deleted.
    """
    with _hub(repository) as api:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        names = {path.relative_to(out).as_posix(): path for path in files}
        there = api.list_repo_files(repository, repo_type="dataset")
        gone = [name for name in there if name.startswith(OWN) and name not in names]
        add = [CommitOperationAdd(name, str(path)) for name, path in names.items()]
        made = api.create_commit(
            repository,
            [
                CommitOperationAdd(CARD, card.encode()), *add,
                *(CommitOperationDelete(name) for name in gone),
            ],
            commit_message="Results of dumo-bench",
            repo_type="dataset",
        )  # fmt: skip
        return str(made.repo_url)


def pull(repository: str, out: Path, *, revision: str = "") -> list[Path]:
    """Fetch a data set into a results folder that is empty, or is not there; returns its files."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty: a pull wants a folder of its own")
    with _hub(repository) as api:
        api.snapshot_download(
            repository, repo_type="dataset", revision=revision or None, local_dir=out,
            allow_patterns=[f"{name}*" for name in OWN],
        )  # fmt: skip
    shutil.rmtree(out / ".cache", ignore_errors=True)
    found = sorted(path for path in out.rglob("*") if path.is_file())
    if not found:
        raise UserError(f"{repository} holds no results of this program")
    return found


@contextmanager
def _hub(repository: str) -> Iterator[Any]:
    """The hub's client; what the hub refuses is said in one line, with what to type."""
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise UserError(f"{repository!r}: owner/name was wanted, a data set of the hub")
    hub.open_()
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    endpoint = os.environ.get("HF_ENDPOINT")
    client = [one for one in HfHubHTTPError.__mro__ if one.__name__ in ("HTTPError", "OSError")]  # whichever it has
    unreached: tuple[type[BaseException], ...] = (*client, OfflineModeIsEnabled)
    try:
        yield HfApi(endpoint=endpoint)
    except HFValidationError as error:
        raise UserError(f"{repository!r}: {str(error).splitlines()[0]}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        told = {
            401: "log in: `hf auth login`",
            403: "your token may not write there",
            404: "it is not there, or private",
        }
        raise UserError(
            f"{repository}: the hub answers {status}: {told.get(status, str(error).splitlines()[0])}"
        ) from error
    except unreached as error:
        if getattr(error, "errno", None):  # of the disk
            raise
        where = endpoint or "the hub"
        raise UserError(f"{repository}: {where} cannot be reached: {str(error).splitlines()[0]}") from error
