"""Every kind of host: told by its index, sampled as diffusers' own pipeline samples it, edited and left as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import diffusers
import pytest
import tiny
import tiny_kinds
import torch
from test_bad_input import refused
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts import fingerprint, flows, flux, kinds, models, sample, sd
from dumo_bench.kit import embeddings, latents, train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.plugins import loading
from dumo_bench.run import plan
from dumo_bench.types import Edit, Job

NAMES = sorted(tiny_kinds.MAKE)
FLOWS = [name for name in NAMES if tiny_kinds.KIND[name] in ("flux", "sd3")]
GUIDANCE, SKIPS = 3.5, "needs skip connections (of a U-Net)"


@pytest.fixture(scope="module", params=NAMES)
def host(request) -> sd.Host:
    return tiny_kinds.host(request.param)


def job(host: sd.Host, text: str = "a ghost", seed: int = 7, steps: int = 5) -> Job:
    found = tiny.job(text, seed, guidance=GUIDANCE, steps=steps)
    name = flows.fitting("ddim", host.kind)
    return replace(found, sampling=replace(found.sampling, scheduler=name))


def of_flux(pipe: Any, start: Tensor, text: str, host: sd.Host) -> Tensor:
    """FluxPipeline's latents; one that is told its guidance needs no negative prompt."""
    how = {"guidance_scale": GUIDANCE}
    if not host.unet.config.guidance_embeds:
        how = {"true_cfg_scale": GUIDANCE, "negative_prompt": ""}
    sized = {"height": 64, "width": 64, "max_sequence_length": host.towers[1].length}
    made = pipe(text, latents=flux.packed(start), num_inference_steps=5, output_type="latent", **sized, **how).images
    return flux.unpacked(made, (8, 8))


def of_sdxl(pipe: Any, start: Tensor, text: str, host: sd.Host) -> Tensor:
    """Its pipeline's latents, with the empty negative prompt read as a text."""
    pipe.scheduler = sample.scheduler(host, "ddim", 5)
    how = {"height": 64, "width": 64, "guidance_scale": GUIDANCE, "negative_prompt": "", "output_type": "latent"}
    return pipe(text, latents=start, num_inference_steps=5, **how).images


def of_sd3(pipe: Any, start: Tensor, text: str, host: sd.Host) -> Tensor:
    how = {"height": 64, "width": 64, "guidance_scale": GUIDANCE, "output_type": "latent"}
    return pipe(text, latents=start, num_inference_steps=5, max_sequence_length=host.towers[2].length, **how).images


THEIRS = {"flux": of_flux, "sdxl": of_sdxl, "sd3": of_sd3}


@pytest.mark.parametrize("name", NAMES)
def test_latents_equal_those_of_the_kind_s_own_pipeline(name):
    host = tiny_kinds.host(name, "float32")
    pipe = getattr(diffusers, host.kind.pipeline).from_pretrained(tiny_kinds.folder(name))
    pipe.set_progress_bar_config(disable=True)
    one = job(host)
    start = sd.latents(host, one.draw, 64, 64)
    theirs = THEIRS[host.kind.name](pipe, start, one.text, host)
    ours = sample.clean(host, partial(sd.stock_guide, host), [one])
    assert torch.allclose(ours, theirs, atol=1e-4 * float(theirs.abs().max()))


def test_pictures_are_decoded_with_the_vae_s_shift(host):
    z = torch.randn(2, 4, 8, 8, dtype=torch.float64, generator=train.seeded(0))
    config = host.vae.config
    with torch.no_grad():
        wanted = host.vae.decode(z / config.scaling_factor + (config.shift_factor or 0)).sample
    ours = sd.decode(host, z)[0]
    theirs = ((wanted / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_the_index_of_a_folder_tells_its_kind(name):
    folder = tiny_kinds.folder(name)
    assert models.kind(folder) is tiny_kinds.host(name).kind
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(models.kind(folder).parts)


def test_stable_diffusion_needs_no_index_and_a_pipeline_that_is_not_known_is_refused_with_those_that_are(tmp_path):
    assert kinds.of({}) is kinds.SD is kinds.of({"_class_name": "StableDiffusionInpaintPipeline", "unet": ["a", "b"]})
    index = {"_class_name": "PixArtAlphaPipeline", "transformer": ["diffusers", "PixArtTransformer2DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"names PixArtAlphaPipeline: wanted a model of Stable Diffusion .*FLUX"):
        models.folder(str(tmp_path))


def test_the_names_of_kinds_are_their_own():
    for values in ([kind.name for kind in kinds.KINDS], [kind.pipeline for kind in kinds.KINDS]):
        assert len(set(values)) == len(kinds.KINDS)
    assert all(kind.network in kind.parts for kind in kinds.KINDS)


def test_a_model_whose_parts_lie_with_another_is_named_hashed_and_loaded_as_one():
    own = sd.load("emoji-flow")
    assert models.index(models.folder("emoji-flow"))["_shared"]["vae"] == "../weights/vae"
    assert own.kind is kinds.FLUX and own.side == 8 and own.towers[1].length == 16
    assert own.world == models.world(models.folder("emoji-sd"))
    assert own.hash == models.content_hash("emoji-flow") != models.content_hash("emoji-sd")


def test_the_hash_of_a_flow_model_covers_every_part_and_the_index(tmp_path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny_kinds.folder("flux"), folder)
    before = models.content_hash(str(folder))
    for part in (*kinds.FLUX.parts, ""):
        path = next(iter(sorted((folder / part).glob("*.json"))))
        path.write_text(path.read_text() + " ")
        assert models.content_hash(str(folder)) != before, part
        before = models.content_hash(str(folder))


# what a network is told of a text


def test_a_context_s_last_row_is_the_pooled_state_and_the_others_are_the_states():
    host = tiny_kinds.host("flux")
    context = sd.encode(host, ["a ghost", ""])
    clip, t5 = host.towers
    assert context.shape == (2, t5.length + 1, tiny_kinds.WIDTH)
    ids = t5.tokens(["a ghost", ""], host.device)[0]
    assert torch.equal(context[:, :-1], t5.encoder(ids).last_hidden_state)
    pooled = clip.encoder(clip.tokens(["a ghost", ""], host.device)[0]).pooler_output
    assert torch.equal(context[:, -1, : tiny_kinds.POOLED], pooled)
    assert not context[:, -1, tiny_kinds.POOLED :].any()


def test_a_text_is_read_once_by_all_towers(host):
    known, texts = embeddings.once(host), ["a ghost", "a dog", "a ghost"]
    read: list[int] = []
    handles = [t.encoder.register_forward_hook(lambda *_: read.append(1)) for t in host.towers]
    try:
        twice = torch.cat([sd.encode(known, texts), sd.encode(known, texts[::-1]).flip(0)])
    finally:
        for handle in handles:
            handle.remove()
    assert len(read) == len(host.towers)
    assert torch.allclose(twice, sd.encode(host, [*texts, *texts]), atol=1e-12)


def test_the_estimate_of_the_host_is_the_kit_s(host):
    z = torch.randn(2, 4, 8, 8, dtype=torch.float64, generator=train.seeded(0))
    t, context = torch.tensor([900.0, 100.0], dtype=torch.float64), sd.encode(host, ["a ghost", "a dog"])
    assert torch.equal(host.estimate(z, t, context), latents.estimate(host.unet, z, t, context))


# edits


def test_an_edit_of_every_part_is_put_in_and_taken_out_bit_for_bit(host):
    before = fingerprint.taken(host)
    names = {part: next(iter(dict(net.named_parameters()))) for part, net in host.parts.items()}
    own = {f"{part}.{name}": dict(host.parts[part].named_parameters())[name] for part, name in names.items()}
    edit = Edit({name: tensor + 1 for name, tensor in own.items()}, {})
    with sd.edited(host, edit):
        assert all(torch.equal(tensor, edit.tensors[name]) for name, tensor in own.items())
        assert fingerprint.taken(host) != before
    assert [k for k, v in fingerprint.taken(host).items() if before[k][2:] != v[2:]] == []


@pytest.mark.parametrize("name", FLOWS)
def test_an_edit_of_a_u_net_is_refused_by_a_transformer(name):
    with (
        pytest.raises(UserError, match=r"names 'unet\.a', which .* does not have"),
        sd.edited(tiny_kinds.host(name), Edit({"unet.a": torch.zeros(1)}, {})),
    ):
        pass


# levels


@pytest.fixture(scope="module", params=FLOWS)
def flow(request) -> sd.Host:
    return tiny_kinds.host(request.param)


@pytest.mark.parametrize("k", [0, 2, 4])
def test_a_stopped_run_s_timestep_is_nearer_to_its_level_than_to_any_other(flow, k):
    plan = Trajectory(5)
    every = sample.scheduler(flow, flow.kind.sampler, 5).timesteps
    assert len({round(a - b) for a, b in pairwise(every.tolist())}) > 1  # they are uneven
    found = torch.tensor([latents.nearby(flow, plan, k, train.seeded(seed)) for seed in range(40)])
    nearest = (found[:, None] - torch.cat([every, torch.zeros(1)])).abs()[:, :5].argmin(1)
    assert (nearest == k).all() and len(found.unique()) > 30


@pytest.mark.parametrize("align", ["bin", "level"])
def test_latents_are_asked_at_the_level_they_stand_at(flow, align):
    every = sample.scheduler(flow, flow.kind.sampler, 5).timesteps.tolist()
    for seed in range(4):
        asked: list[float] = []

        def guide(given, asked=asked):
            denoise = sd.stock_guide(flow, given)
            return lambda z, t: asked.append(float(t)) or denoise(z, t)

        rows = latents.stopped(flow, guide, ["a ghost"], [""], Trajectory(5, align=align), train.seeded(seed))
        level = every[len(asked)]
        assert asked == every[: len(asked)]
        assert float(rows.t[0]) == pytest.approx(level) if align == "level" else 0 <= float(rows.t[0]) <= 1000
    with pytest.raises(UserError, match="align 'compvis' is of loops of Stable Diffusion, not of "):
        latents.stopped(flow, guide, ["a ghost"], [""], Trajectory(5, align="compvis"), train.seeded(0))


def test_early_latents_of_a_flow_have_the_noise_of_stable_diffusion_s():
    """Signal over noise, sqrt(a / (1 - a)) of Stable Diffusion and (1 - t) / t of a flow."""
    a = diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
    kept = a[kinds.SD.early]
    t = kinds.FLUX.early / 1000
    assert float((kept / (1 - kept)).sqrt()) == pytest.approx((1 - t) / t, abs=0.02)


# what is planned


def test_a_flow_model_is_sampled_by_its_own_sampler_and_the_contract_says_so():
    found = plan.make(plan.Request("original", "emoji-cartoon", model="emoji-flow", limit=2), _maker)
    assert found.suite.sampling.scheduler == "dpm++"
    assert found.contract.scheduler == "flow-euler" and "levels(even)" in found.contract.sampler
    assert {row.job.sampling.scheduler for part in found.reference for row in part.rows} == {"flow-euler"}


def _maker(spec, settings):
    return loading.make("methods", spec, settings)


def test_a_sampler_of_flows_is_refused_by_a_model_of_noise(command, tiny_suite, tmp_path):
    tiny_suite.write_text(tiny_suite.read_text().replace('"ddim"', '"flow-euler"'))
    for verb in ("plan", "run"):
        refused(command(verb, "-m", "original", "-s", tiny_suite, "-o", tmp_path / "out"), "samples flow models, not")


@pytest.mark.parametrize(
    "odd", [{"shift": 0}, {"shift": "3"}, {"time_shift_type": "x"}, {"use_dynamic_shifting": 1}, {"base_shift": None}]
)
def test_a_shift_that_is_none_is_refused(odd):
    with pytest.raises(UserError, match=f"scheduler_config.json: {next(iter(odd))} is"):
        flows.settings("flow-euler", odd)


@pytest.mark.parametrize("name", sorted(flows.SAMPLERS))
def test_a_definition_states_every_argument_of_its_class(name):
    import inspect

    kind = getattr(diffusers, flows.SAMPLERS[name].kind)
    assert set(flows.settings(name, {})) == set(inspect.signature(kind.__init__).parameters) - {"self"}


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("name", loading.names("methods"))
def test_a_method_that_does_not_know_the_kind_is_refused_in_one_line_before_any_work(
    command, bare_suite, tmp_path, name, verb
):
    """For every method and every kind."""
    cls = loading.load("methods", name)
    given = ("--set", f"path={tmp_path}") if name == "checkpoint" else ()
    for kind in kinds.KINDS:
        if cls.kinds and kind.name not in cls.kinds:
            folder = index_only(tmp_path, kind)
            said = command(verb, "-m", name, "-s", bare_suite, "--model", folder, "-o", tmp_path / "out", *given)
            refused(said, f"{name} ", kind.title if not cls.needs or kind is kinds.SDXL else SKIPS)


def index_only(place: Path, kind: kinds.Kind) -> Path:
    """A folder whose index names the parts of a kind; it holds nothing else, for nothing is loaded."""
    folder = place / kind.name
    folder.mkdir(exist_ok=True)
    index = {"_class_name": kind.pipeline, **{part: ["library", "Class"] for part in kind.parts}}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
