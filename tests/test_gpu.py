"""On CUDA: the pictures and the edits of the CPU, a host that is left as it was, the real command.

The slow tests run the same sentences on the CPU, so that they stay true where no GPU is at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch

from dumo_bench.hosts import sample, sd

METHODS = ("uce", "rece", "esd", "receler", "dumo")
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


@pytest.fixture(
    params=[pytest.param("cuda", marks=[pytest.mark.gpu, NO_CUDA]), pytest.param("cpu", marks=pytest.mark.slow)]
)
def device(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Nothing rounds to tf32."""
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [one.allow_tf32 for one in backends]
    for one in backends:
        one.allow_tf32 = False
    yield
    for one, was in zip(backends, before, strict=True):
        one.allow_tf32 = was


def on(device: str, model: str = "") -> sd.Host:
    return sd.load(model or str(tiny.folder()), device=device)


def pictures(host: sd.Host, batch: int = 4) -> torch.Tensor:
    """Four pictures of emoji-sd, in batches of so many."""
    texts = ("a dog in noto style", "a ghost", "an alien in ink style", "")
    jobs = [tiny.job(text, seed, steps=10) for seed, text in enumerate(texts)]
    made = [sample.sample(host, partial(sd.stock_guide, host), jobs[i : i + batch])[0] for i in range(0, 4, batch)]
    return torch.cat(made).int()


def test_the_pictures_are_those_of_the_cpu(device):
    off = (pictures(on(device, "emoji-sd")) - pictures(sd.load("emoji-sd"))).abs()
    assert off.max() <= 4 and off.float().mean() <= 0.1


def test_a_picture_is_the_same_in_any_batch(device):
    host = on(device, "emoji-sd")
    off = (pictures(host, 4) - pictures(host, 1)).abs()
    assert off.max() <= 4 and off.float().mean() <= 0.1


@pytest.mark.parametrize("name", METHODS)
def test_fit_and_apply_leave_the_host_bit_for_bit(device, name):
    host, method = replace(on(device), plans=tiny.QUICK), tiny.method(name)
    parts = (host.unet, host.text_encoder, host.vae)
    before = [{k: v.clone() for k, v in part.state_dict().items()} for part in parts]
    edit = method.fit(host, ("ghost",), seed=0)
    with method.apply(host, edit) as guide:
        made, faults = sample.sample(host, guide, [tiny.job("a ghost"), tiny.job("a dog")])
    assert not any(faults) and made.shape == (2, 64, 64, 3)
    for part, was in zip(parts, before, strict=True):
        assert all(torch.equal(v, was[k]) for k, v in part.state_dict().items())


@pytest.mark.parametrize("name", ["uce", "rece"])
def test_a_closed_form_is_that_of_the_cpu(device, name):
    method = tiny.method(name)
    here, there = (method.fit(host, ("ghost",), seed=0).tensors for host in (tiny.host(), on(device)))
    for key, w in here.items():
        assert (there[key].cpu() - w).norm() <= 1e-3 * w.norm(), key


def test_the_real_command_runs_on_the_device(command, device: str, tiny_suite: Path, tmp_path: Path):
    out = tmp_path / "out"
    said = command(
        "run", "--method", "uce", "--suite", tiny_suite, "--device", device, "--scorers", "likeness", "--out", out
    )
    assert said.code == 0, said.err
    assert len(list(out.glob("images/*/*.png"))) == 12 and (out / "summary.parquet").exists()
