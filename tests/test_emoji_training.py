"""The emoji world's trainings: drawings changed as promised, batches told truly, a cut run goes on as if whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dumo_bench.emoji import augment, captions, draw, flow, measure, phrases, recolour, timed, warp, wear, world
from dumo_bench.emoji.artists import ARTISTS, HELD_OUT
from dumo_bench.emoji.augment import Studio
from dumo_bench.emoji.drawings import Drawings, trained_on


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawings() -> Drawings:
    """Every object by every style and one further artist: squares and discs of a random colour."""
    names = (*world.STYLES, "fxemoji")
    n = len(world.OBJECTS) * len(names)
    g = seeded(3)
    rgba = torch.randint(0, 256, (n, 4, 1, 1), generator=g).expand(n, 4, 128, 128).clone().byte()
    rgba[:, 3] = 0
    rgba[:, 3, 20:100, 30:90] = 255
    return Drawings(rgba, torch.arange(n) // len(names), torch.arange(n) % len(names), names)


def studio() -> Studio:
    every = drawings()
    return Studio(every.only(frozenset(world.STYLES)), every)


def test_strong_pictures_have_shape_and_range_and_are_the_generators_alone():
    one, two = (studio().strong(24, seeded(5)) for _ in range(2))
    assert one.picture.shape == (24, 3, 64, 64)
    assert one.picture.min() >= 0 and one.picture.max() <= 1 and one.picture.isfinite().all()
    assert torch.equal(one.picture, two.picture) and torch.equal(one.object, two.object)
    assert not torch.equal(one.picture, studio().strong(24, seeded(6)).picture)
    assert (one.style == -100).all() and (one.background == -100).all()


def test_mild_pictures_are_those_the_host_is_trained_on():
    every, n = studio().own, 12
    pose, ground = warp.mild(n, seeded(1)), torch.rand(n, 3, generator=seeded(2))
    rgba = every.rgba[:n].float() / 255
    shift = pose.shift * torch.where(pose.mirror, -1, 1)[:, None]  # the host's mirrors the shift across, too
    shift[:, 1] = pose.shift[:, 1]
    expected, mask = draw.place(rgba, ground, pose.scale[:, 0], shift, pose.mirror)
    figure = warp.placed(rgba, warp.whole(n, "cpu"), pose)
    assert torch.allclose(augment.over(figure, ground[:, :, None, None]), expected, atol=1e-5)
    assert torch.allclose(figure[:, 3:], mask, atol=1e-5)


def test_a_box_is_what_the_drawing_covers_and_a_cropped_drawing_fills_its_tile():
    alpha = torch.zeros(1, 128, 128)
    alpha[0, 32:64, 0:64] = 1
    assert torch.allclose(warp.boxes(alpha), torch.tensor([[-0.5, -0.25, 0.5]]))
    rgba = torch.ones(1, 4, 128, 128) * alpha
    full = warp.placed(rgba, warp.boxes(alpha), warp.still(1, "cpu", scale=1.0))[0, 3]
    assert full[:, 30:34].mean(1).round().sum() == 32 and full[32].min() > 0.4


@pytest.mark.parametrize(
    "change", [recolour.recoloured, recolour.hued, wear.worn, wear.tinted, wear.empty, wear.patched]
)
def test_each_change_keeps_shape_and_range(change):
    x = torch.rand(9, 3, 64, 64, generator=seeded())
    y = change(x, seeded(1))
    assert y.shape == x.shape and y.min() >= 0 and y.max() <= 1
    assert not torch.equal(x, y)


def test_jpeg_of_a_plain_tile_keeps_it_and_fine_steps_keep_anything():
    x = torch.rand(2, 3, 64, 64, generator=seeded())
    assert torch.allclose(wear.jpeg(x, torch.full((2,), 1e-6)), x, atol=1e-4)
    plain = torch.full((1, 3, 64, 64), 0.5)
    assert torch.allclose(wear.jpeg(plain, torch.tensor([0.25])), plain, atol=0.02)


def test_a_blur_by_rows_and_columns_is_the_blur_by_squares():
    from dumo_bench.emoji.train_judge import blurred

    x = torch.rand(2, 3, 64, 64, generator=seeded())
    assert torch.allclose(wear.blurred(x, 25), blurred(x, 25), atol=1e-5)


def test_the_held_out_artist_is_in_no_training():
    assert HELD_OUT == "openmoji" and HELD_OUT in ARTISTS and HELD_OUT not in trained_on()
    assert trained_on() | {HELD_OUT} == {*ARTISTS, *world.STYLES}
    assert trained_on() - trained_on(frozenset({"fxemoji"})) == {"fxemoji"}


@pytest.fixture(scope="module")
def said() -> phrases.Phrases:
    return phrases.build()


def test_captions_by_table_are_those_drawn_one_by_one(said):
    shown = torch.tensor([[124, 1, 2]]).expand(3000, 3)
    found = {said.texts[i] for i in said.draw(shown, seeded())}
    expected = {captions.draw(124, 1, 2, g).text for g in [seeded(1)] for _ in range(3000)}
    assert len(found & expected) > 0.9 * len(found | expected)
    styled = said.style[said.draw(shown, seeded(), style_again=0.5)] >= 0
    odds = phrases.slot_odds(0.5, torch.device("cpu"))[phrases.marked("{style}", torch.device("cpu"))].sum()
    assert styled.float().mean() == pytest.approx(float(odds), abs=0.03)


def test_a_caption_fits_its_picture_and_tells_nothing_unknown(said):
    shown = torch.tensor([[3, 1, 2], [8, -100, -100], [124, 2, -100]]).repeat(40, 1)
    drawn = said.draw(shown, seeded())
    assert said.fits(drawn, shown).diagonal().all()
    assert (said.style[drawn][shown[:, 1] < 0] == -1).all()
    assert (said.background[drawn][shown[:, 2] < 0] == -1).all()


class Toy(nn.Module):
    """A line."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(4, 4)


def toy_loss(toy: nn.Module, g: torch.Generator) -> Tensor:
    x = torch.randn(32, 4, generator=g)
    out: Tensor = (toy.line(x) - x).square().mean()  # type: ignore[operator, union-attr]
    return out


class Clock:
    """One second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def fresh() -> Toy:
    torch.manual_seed(0)
    return Toy()


def test_training_lowers_the_loss_and_writes_half_precision_with_its_steps(tmp_path: Path):
    from safetensors import safe_open

    budget = timed.Budget("toy", 200, lr=0.05, warmup=5, mark=50, ema=0.9)
    state = timed.train(budget, fresh(), toy_loss, tmp_path, clock=Clock())
    assert state.step == 200 and len(state.log) == 5
    assert toy_loss(state.average, seeded()) < 0.1 * toy_loss(fresh(), seeded())
    with safe_open(tmp_path / "toy.safetensors", "pt") as kept:
        assert kept.metadata()["step"] == "200"
        assert all(kept.get_tensor(name).dtype == torch.float16 for name in kept.keys())  # noqa: SIM118


def test_a_cut_run_goes_on_to_the_same_weights(tmp_path: Path):
    budget, one, two = timed.Budget("toy", 60, lr=0.05, warmup=5), tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    whole = timed.train(budget, fresh(), toy_loss, one, clock=Clock())
    timed.train(replace(budget, most=25), fresh(), toy_loss, two, clock=Clock())
    again = timed.train(budget, fresh(), toy_loss, two, clock=Clock())
    assert whole.step == again.step == 60
    for p, q in zip(whole.average.parameters(), again.average.parameters(), strict=True):
        assert torch.equal(p, q)


def test_without_a_checkpoint_a_run_starts_from_the_averaged_weights(tmp_path: Path):
    budget = timed.Budget("toy", 30, lr=0.05, warmup=5)
    done = timed.train(budget, fresh(), toy_loss, tmp_path, clock=Clock())
    (tmp_path / "toy.ckpt").unlink()
    state = timed.start(budget, fresh(), tmp_path, "cpu")
    assert state.step == done.step and state.seconds == 0
    assert torch.allclose(state.module.line.weight, done.average.line.weight, atol=1e-3)  # type: ignore[union-attr]


def test_the_calibration_error_of_known_answers():
    sure = torch.tensor([[0.8, 0.2]]).repeat(10, 1)
    right = torch.tensor([0] * 8 + [1] * 2)
    assert measure.calibration_error(sure, right) == pytest.approx(0, abs=1e-6)
    assert measure.calibration_error(sure, torch.ones(10).long()) == pytest.approx(0.8)


def test_the_temperature_undoes_a_scale():
    logits = torch.randn(4000, 5, generator=seeded()) * 2
    right = torch.multinomial(logits.softmax(1), 1, generator=seeded(1))[:, 0]
    assert measure.temperature(logits * 2, right) == pytest.approx(2, rel=0.08)


def test_packed_latents_are_in_diffusers_order_and_come_back():
    from diffusers import FluxPipeline

    z = torch.randn(2, 4, 8, 8, generator=seeded())
    assert torch.equal(flow.packed(z), FluxPipeline._pack_latents(z, 2, 4, 8, 8))
    assert torch.equal(flow.unpacked(flow.packed(z)), z)
    image, text = flow.places(torch.device("cpu"))
    assert torch.equal(image, FluxPipeline._prepare_latent_image_ids(2, 4, 4, "cpu", torch.float32))
    assert text.shape == (16, 3)


def test_the_euler_loop_is_that_of_the_schedulers_own_steps():
    from diffusers import FlowMatchEulerDiscreteScheduler

    net, g = flow.make().eval(), seeded()
    noise = torch.randn(2, 16, 16, generator=g)
    cond, none = ((torch.randn(2, 16, 128, generator=g), torch.randn(2, 128, generator=g)) for _ in range(2))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.set_timesteps(sigmas=flow.levels(5)[:-1].tolist())
    x = noise
    for t in scheduler.timesteps:
        with torch.no_grad():
            v, v0 = (flow.velocity(net, x, (t / 1000).expand(2), *text) for text in (cond, none))
        x = scheduler.step(v0 + 3.0 * (v - v0), t, x, return_dict=False)[0]
    assert torch.allclose(flow.sample(net, noise, cond, none, 3.0, 5), x, atol=1e-5)


def test_a_step_of_the_flow_lowers_its_loss(said):
    from dumo_bench.emoji import train_flow

    net, n = flow.make(), len(said.texts)
    texts = train_flow.Texts(said, torch.zeros(n, 16, 128), torch.zeros(n, 128))
    latents, shown = torch.ones(8, 16, 16), torch.zeros(8, 3).long()
    loss = train_flow.loss_of(latents, shown, texts, 16)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    before = float(loss(net, seeded()).detach())
    for step in range(8):
        optimiser.zero_grad()
        loss(net, seeded(step)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert float(loss(net, seeded()).detach()) < 0.9 * before


def test_times_lie_between_0_and_1_and_towards_noise():
    from dumo_bench.emoji import train_flow

    t = train_flow.times(4000, seeded())
    assert t.min() > 0 and t.max() < 1 and 0.57 < t.mean() < 0.67
