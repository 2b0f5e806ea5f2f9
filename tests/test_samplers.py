"""A sampler is defined whole by its name: what else a model's folder says changes neither pictures nor key."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import diffusers
import pytest
import tiny
import torch

from dumo_bench.errors import UserError
from dumo_bench.hosts import flows, kinds, models, sample, samplers, sd
from dumo_bench.run import plan
from dumo_bench.types import SCHEDULERS

NAMES = sorted(samplers.SAMPLERS)
SD14 = {  # scheduler_config.json of CompVis/stable-diffusion-v1-4
    "_class_name": "PNDMScheduler", "_diffusers_version": "0.7.0.dev0", "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None, "clip_sample": False,
}  # fmt: skip
ODD = {  # keys that a tool may write, none of them of the noise
    "timestep_spacing": "trailing", "steps_offset": 7, "use_karras_sigmas": True, "final_sigmas_type": "sigma_min",
    "solver_order": 3, "set_alpha_to_one": True, "clip_sample": True, "interpolation_type": "log_linear",
}  # fmt: skip


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> list[Path]:
    """Three folders with the same weights: keys of the hub's, of `save_pretrained`, and odd ones."""
    made = []
    for name, own in (("hub", SD14), ("saved", {**SD14, "timestep_spacing": "leading"}), ("odd", {**SD14, **ODD})):
        folder = tmp_path_factory.mktemp(name) / "model"
        shutil.copytree(tiny.folder(), folder)
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(own))
        made.append(folder)
    return made


def pictures(folder: Path, name: str) -> torch.Tensor:
    host = sd.load(str(folder))
    jobs = [tiny.job("a dog", 3), tiny.job("a cat", 4)]
    jobs = [replace(job, sampling=replace(job.sampling, scheduler=name)) for job in jobs]
    return sample.clean(host, partial(sd.stock_guide, host), jobs)


@pytest.mark.parametrize("name", NAMES)
def test_folders_with_the_same_weights_and_other_keys_give_the_same_latents_and_one_definition(name, twins):
    first, *others = [pictures(folder, name) for folder in twins]
    assert all(torch.equal(first, other) for other in others)
    said = {samplers.definition(name, models.schedule(str(folder)), "float32") for folder in twins}
    assert len(said) == 1


@pytest.mark.parametrize("change", [{"prediction_type": "v_prediction"}, {"beta_end": 0.02}])
def test_another_noise_is_another_definition(change):
    said = [samplers.definition("lms", own, "float32") for own in (SD14, {**SD14, **change})]
    assert said[0] != said[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_states_every_argument_of_its_class(name):
    """A setting that a later diffusers adds is refused here until it is written down."""
    ours = samplers.named(name)
    wanted = set(inspect.signature(getattr(diffusers, ours.kind).__init__).parameters) - {"self"}
    assert set(samplers.settings(name, SD14)) == wanted
    assert set(ours.step) <= set(inspect.signature(getattr(diffusers, ours.kind).step).parameters)


def test_lms_is_as_dumo_receler_and_uce_make_it():
    """Their code: LMSDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", ...=1000)."""
    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    theirs = diffusers.LMSDiscreteScheduler(**noise)
    theirs.set_timesteps(50)
    ours = sample.scheduler(tiny.host(), "lms", 50)
    assert torch.equal(ours.timesteps, theirs.timesteps) and torch.equal(ours.sigmas, theirs.sigmas)
    assert [round(float(t), 1) for t in ours.timesteps[[0, 1, 2, -1]]] == [999.0, 978.6, 958.2, 0.0]
    assert round(float(ours.init_noise_sigma), 2) == 14.61 and ours.step.keywords == {"order": 4}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pndm", "PNDMScheduler"), ("ddim", "DDIMScheduler"), ("dpm++-linspace", "DPMSolverMultistepScheduler")],
)
def test_pndm_ddim_and_maces_solver_are_what_the_hubs_file_gives(name, kind):
    theirs = getattr(diffusers, kind).from_config(SD14)
    theirs.set_timesteps(50)
    ours = sample.scheduler(tiny.host(), name, 50)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    wanted = samplers.settings(name, SD14)
    unused = {"steps_offset"} if wanted["timestep_spacing"] == "linspace" else set()
    assert all(theirs.config[key] == value for key, value in wanted.items() if key not in unused)


@pytest.mark.parametrize("name", ["ddim", "dpm++", "euler", "pndm"])
def test_emoji_sd_is_sampled_as_its_own_file_said_before_samplers_were_defined(name):
    """So no picture of the stored results has moved; lms alone has, from leading to the papers' linspace."""
    own = models.schedule("emoji-sd")
    extra = {"ddim": {"clip_sample": False}, "pndm": {"skip_prk_steps": True}}.get(name, {})
    kind = samplers.named(name).kind
    before = getattr(diffusers, kind).from_config(own, **extra)
    assert {key: before.config[key] for key in samplers.settings(name, own)} == samplers.settings(name, own)


NO_NOISE = [
    {"prediction_type": "flow_prediction"}, {"prediction_type": None}, {"beta_schedule": "cosine"},
    {"beta_start": "0.1"}, {"beta_start": -1}, {"beta_start": True}, {"beta_end": 2.0}, {"beta_end": float("nan")},
    {"num_train_timesteps": 0}, {"num_train_timesteps": "1000"}, {"num_train_timesteps": 1000.0},
    {"trained_betas": [0.1]}, {"trained_betas": "x"}, {"rescale_betas_zero_snr": "false"},
]  # fmt: skip


def with_noise(place: Path, suite: Path, written: str) -> Path:
    """The suite on a copy of the tiny model whose scheduler_config.json is written anew."""
    shutil.copytree(tiny.folder(), place)
    (place / "scheduler" / "scheduler_config.json").write_text(written)
    suite.write_text(suite.read_text().replace(str(tiny.folder()), str(place)))
    return suite


@pytest.mark.parametrize("odd", NO_NOISE, ids=str)
def test_a_model_whose_noise_is_none_is_refused_before_anything_is_fitted(command, tiny_suite, tmp_path, odd):
    suite = with_noise(tmp_path / "model", tiny_suite, json.dumps({**SD14, **odd}))
    for verb in ("plan", "run"):
        said = command(verb, "-m", "uce", "-s", suite, "-o", tmp_path / "out")
        assert said.code == 2 and len(said.err.splitlines()) == 1, said
        assert f"scheduler_config.json: {next(iter(odd))}" in said.err.replace(
            "beta_start and beta_end", next(iter(odd))
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("written", ["", "{", "[]", "null", "5"])
def test_a_model_whose_noise_cannot_be_read_is_refused_by_plan_as_by_run(command, tiny_suite, tmp_path, written):
    suite = with_noise(tmp_path / "model", tiny_suite, written)
    for verb in ("plan", "run"):
        said = command(verb, "-m", "uce", "-s", suite, "-o", tmp_path / "out")
        assert said.code == 2 and len(said.err.splitlines()) == 1 and "scheduler_config.json" in said.err


def test_pndm_refuses_a_model_that_predicts_the_picture():
    with pytest.raises(UserError, match="take ddim"):
        samplers.settings("pndm", {**SD14, "prediction_type": "sample"})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trained", [1000, 7])
def test_every_number_of_steps_begins_in_noise_with_a_timestep_a_step_or_is_refused(name, trained):
    """Beside diffusers: one step of ddim would begin at timestep 1, and noise itself would be scored."""
    schedule = {**SD14, "num_train_timesteps": trained}
    host = SimpleNamespace(device="cpu", schedule=schedule, kind=kinds.SD)
    for steps in {n for n in (*range(1, 9), 50, 333, 500, 998, 999, 1000) if n <= trained}:
        try:
            samplers.check_steps(name, steps, schedule)
        except UserError as error:
            assert f"steps = {steps}: " in str(error) and (steps == 1 or steps >= trained - 2 or trained < 1000)
            continue
        times = [float(t) for t in sample.scheduler(host, name, steps).timesteps]
        assert round(times[0]) == samplers.begins(name, steps, trained)
        assert trained - 1 >= times[0] >= trained // 2 - 1 and len(set(times)) == steps


@pytest.mark.parametrize(("name", "steps"), [("ddim", 1), ("lms", 1), ("euler", 1000), ("ddim", 1000), ("dpm++", 999)])
def test_plan_refuses_steps_that_are_no_sampling(command, bare_suite, tmp_path, name, steps):
    text = bare_suite.read_text().replace("steps = 2", f"steps = {steps}").replace('"ddim"', f'"{name}"')
    bare_suite.write_text(text)
    said = command("plan", "-m", "uce", "-s", bare_suite, "-o", tmp_path / "out")
    assert said.code == 2 and f"steps = {steps}" in said.err and len(said.err.splitlines()) == 1


def test_lms_and_pndm_refuse_a_noise_that_they_do_not_know():
    for name in ("lms", "pndm"):
        with pytest.raises(UserError, match="take ddim"):
            samplers.settings(name, {**SD14, "rescale_betas_zero_snr": True})
    assert samplers.settings("ddim", {**SD14, "rescale_betas_zero_snr": True})["rescale_betas_zero_snr"]


def test_the_names_of_types_are_the_samplers():
    assert sorted(SCHEDULERS) == sorted([*NAMES, *flows.SAMPLERS])


def request(suite: Path, **more) -> plan.Request:
    return plan.Request("original", str(suite), **more)


def made(suite: Path, **more) -> plan.Plan:
    from dumo_bench.plugins import static

    return plan.make(request(suite, **more), static.make)


def test_the_plan_writes_the_definition_into_contract_and_jobs(tiny_suite):
    found = made(tiny_suite)
    assert found.contract.sampler == samplers.definition("ddim", models.schedule(str(tiny.folder())), "float32")
    assert "timestep_spacing='leading'" in found.contract.sampler and "VAE in float32" in found.contract.sampler
    assert {job.sampling.sampler for job in found.wanted()} == {found.contract.sampler}


def test_another_definition_is_another_contract_and_another_job(tiny_suite):
    found = made(tiny_suite)
    other = replace(found.contract, sampler=found.contract.sampler.replace("leading", "trailing"))
    (job, *_) = found.wanted()
    assert other.key != found.contract.key and replace(job, sampling=other).key != job.key


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_decoded_in_float32_and_the_contract_says_so(tiny_suite, dtype):
    host = tiny.host(dtype)
    assert (host.unet.dtype, host.vae.dtype) == (getattr(torch, dtype), torch.float32)
    assert made(tiny_suite, dtype=dtype).contract.sampler.endswith("VAE in float32")


def test_a_suite_cannot_state_the_definition(tiny_suite, command):
    tiny_suite.write_text(tiny_suite.read_text().replace("steps = 2", 'steps = 2\nsampler = "mine"'))
    said = command("plan", "--method", "original", "--suite", tiny_suite)
    assert said.code == 2 and "sampler" in said.err
