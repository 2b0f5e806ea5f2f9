"""Starting points: stored by their hash, named by jobs, sampled row by row; and the attacks that set them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial

import pytest
import tiny
import torch

from dumo_bench.attacks import inpainting
from dumo_bench.attacks.cce import CCE, first, marked
from dumo_bench.attacks.inversion import Inversion
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd, starts
from dumo_bench.interfaces import Target
from dumo_bench.kit import seen, train
from dumo_bench.kit.latents import Trajectory, levels, till, under
from dumo_bench.plugins import loading
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Edit, Sampling, Start, digest

TEXT = "a ghost in ink style"
CONTRACT = Sampling("tiny", "ddim", 4, 3.0, 64, 64)
WITHOUT_TEXT = ("completion", "inpainting", "inversion")


@pytest.fixture
def host():
    return tiny.host()


def stock(host):
    return partial(sd.stock_guide, host)


def named(job, start: Start) -> tuple:
    """The job with a start, and what it names."""
    return replace(job, start="x"), {"x": start}


def target(host, name: str, texts=(TEXT, "a ghost"), pictures=2, by="original") -> tuple:
    """An attack in small, and what it is aimed at: a method that has learnt nothing."""
    attack, method = tiny.attack(name), loading.make("methods", by)
    edit = method.fit(host, ("ghost",), seed=0)
    erased = lambda: method.apply(host, edit)  # noqa: E731
    return attack, Target(host, ("ghost",), texts, attack.contract(CONTRACT), pictures, erased)


def test_a_starting_point_is_called_by_the_hash_of_all_that_it_sets(tmp_path):
    store, one = Store(tmp_path), Start(latents=torch.ones(2, 4, 8, 8), step=3)
    key = store.put_start(one)
    assert store.put_start(replace(one)) == key and len(key) == 64
    back = store.get_start(key)
    assert back.step == 3 and back.latents.equal(one.latents) and back.tensors.keys() == {"latents"}
    others = [replace(one, step=2), replace(one, latents=one.latents * 2), Start(picture=one.latents, step=3)]
    assert len({key, *map(store.put_start, others)}) == 4


def test_a_starting_point_that_is_missing_broken_or_another_s_is_told_in_one_line(tmp_path):
    store = Store(tmp_path)
    key, other = (store.put_start(Start(embedding=torch.full((1, 4), x))) for x in (1.0, 2.0))
    with pytest.raises(UserError, match="no such starting point: run into the folder"):
        store.get_start("0" * 64)
    store.start_path(key).write_bytes(store.start_path(other).read_bytes())
    with pytest.raises(UserError, match="not as it was made"):
        store.get_start(key)
    store.start_path(other).write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="is broken"):
        store.get_start(other)


def test_a_job_s_key_includes_its_start_and_without_one_is_what_it_was():
    job = tiny.job()
    plain = {name: value for name, value in asdict(job).items() if name != "start"}
    assert job.key == digest(plain) and replace(job, start="ab").key == digest({**plain, "start": "ab"})


def test_rows_that_start_apart_leave_the_others_of_their_batch_alone(host):
    jobs = [tiny.job(f"a cat {i}", i) for i in range(4)]
    plain = sample.clean(host, stock(host), jobs)
    every = {
        "a": Start(latents=torch.randn(1, 4, 8, 8), step=2),
        "b": Start(eta=torch.tensor([1.3])),
        "c": Start(embedding=torch.randn(1, 32)),
    }
    mixed = [jobs[0], replace(jobs[1], start="a"), replace(jobs[2], start="b"), replace(jobs[3], start="c", text="a *")]
    found = sample.clean(host, stock(host), mixed, every)
    assert torch.allclose(found[0], plain[0], atol=1e-6)
    assert all(not torch.allclose(found[i], plain[i], atol=1e-2) for i in (1, 2, 3))
    for i, one in enumerate(mixed):
        assert torch.allclose(sample.clean(host, stock(host), [one], every)[0], found[i], atol=1e-4)


def test_the_mark_is_read_by_its_vector_and_a_word_s_own_vector_reads_as_the_word(host):
    states = starts.read(host, ["a * in ink style"], first(host, "ghost"))
    assert torch.allclose(states, sd.encode(host, [TEXT]), atol=1e-6)
    two = starts.read(host, ["a * *"], torch.cat([first(host, "cat"), first(host, "dog")]))
    assert torch.allclose(two, sd.encode(host, ["a cat dog"]), atol=1e-6)
    assert torch.equal(starts.read(host, [TEXT], torch.zeros(1, 32)), sd.encode(host, [TEXT])), "without a mark"


def test_the_gradient_of_a_vector_is_that_of_its_word_s_row_in_the_table(host):
    vector, weights = first(host, "cat").requires_grad_(True), torch.randn(1, 77, 32, generator=train.seeded(0))
    (mine,) = torch.autograd.grad((starts.read(host, ["a *"], vector) * weights).sum(), [vector])
    rows, ids = host.text_encoder.get_input_embeddings().weight.requires_grad_(True), sd.tokens(host, ["a cat"])[0]
    (every,) = torch.autograd.grad((host.text_encoder(ids).last_hidden_state * weights).sum(), [rows])
    rows.requires_grad_(False)
    assert torch.allclose(mine[0], every[ids[0, 2]], atol=1e-5) and mine.abs().max() > 0


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_noise_in_every_step_is_diffusers_ddim_s(host, eta):
    """The same generator gives the noise; beyond eta 1 diffusers has no root."""
    job, every = named(tiny.job(), Start(eta=torch.tensor([eta])))
    found = sample.clean(host, stock(host), [job], every)
    schedule, g = sample.scheduler(host, "ddim", 4), starts.source(job.draw)
    z = sd.latents(host, job.draw, 64, 64)
    denoise = sd.stock_guide(host, sd.conditions(host, [job.text], [3.0]))
    for t in schedule.timesteps:
        with torch.no_grad():
            told, noise = denoise(z, t), torch.randn(4, 8, 8, generator=g)[None]
        z = type(schedule).step(schedule, told, t, z, eta=eta, variance_noise=noise).prev_sample
    assert torch.allclose(found, z, atol=1e-4)


def test_each_of_the_24_draws_of_the_probe_has_its_own_eta_and_scale(host):
    attack, of = target(host, "noise")
    first, second = attack.search(of, seed=0)
    assert first.draws == 24 and first.text == TEXT and first.start is second.start and first.forwards == 0
    pairs = list(zip(first.start.eta.tolist(), first.start.scale.tolist(), strict=True))
    assert len(set(pairs)) == 24 and min(pairs)[0] == 1 and max(pairs)[0] == pytest.approx(1.85)
    assert attack.contract(CONTRACT).scheduler == "ddim" and attack.contract(CONTRACT).steps == attack.steps
    job = replace(tiny.job(), start="x")
    drawn = [sample.clean(host, stock(host), [replace(job, draw=Draw(0, i, 24))], {"x": first.start}) for i in (0, 23)]
    assert drawn[0].isfinite().all() and drawn[1].std() > drawn[0].std(), "more noise than its place leaves"


def test_a_completion_by_the_unedited_model_is_its_own_picture(host):
    attack, of = target(host, "completion", texts=(TEXT,))
    (found,) = attack.search(of, seed=7)
    g = train.seeded(7)
    *_, (whole, _) = levels(host, stock(host), [TEXT] * 2, under(host, of.sampling), g)
    jobs = [replace(tiny.job(found.text), draw=Draw(0, i, 2), start="x") for i in range(2)]
    assert torch.allclose(sample.clean(host, stock(host), jobs, {"x": found.start}), whole, atol=1e-4)
    assert found.forwards == 2 * 2 * attack.begun and found.start.step == attack.begun


def test_outside_the_hole_stands_the_picture_and_inside_something_new(host):
    attack, of = target(host, "inpainting", texts=(TEXT,))
    (found,) = attack.search(of, seed=0)
    job, every = named(tiny.job(found.text), found.start)
    z, hole = sample.clean(host, stock(host), [job], every)[0], found.start.hole
    assert hole.sum() == 16 and hole[2:6, 2:6].all()
    assert torch.equal(z[:, hole == 0], found.start.picture[0][:, hole == 0])
    assert not torch.allclose(z[:, hole == 1], found.start.picture[0][:, hole == 1], atol=1e-2)
    none = replace(found.start, hole=torch.zeros(8, 8))
    assert torch.equal(sample.clean(host, stock(host), [job], {"x": none})[0], none.picture[0])
    whole = replace(found.start, hole=torch.ones(8, 8))
    plain = sample.clean(host, stock(host), [replace(job, start="")])
    assert torch.allclose(sample.clean(host, stock(host), [job], {"x": whole}), plain, atol=1e-5)


@pytest.mark.parametrize(("share", "side"), [(0.5, 4), (1.0, 8), (0.01, 1)])
def test_a_hole_is_in_the_centre(share, side):
    hole = inpainting.centre(8, 8, share)
    assert hole.sum() == side**2 and hole[3, 3] == 1


def test_what_is_inverted_without_text_is_drawn_again_and_the_better_the_longer_it_is_refined(host):
    z, _ = till(host, stock(host), [TEXT], Trajectory(2, 3.0), 2, train.seeded(0))
    far = []
    for iterations in (0, 10, 25):
        inversion = Inversion(iterations=iterations, steps=2, lr=1e-2)
        start = Start(latents=inversion.inverted(seen.Seen(host, stock(host)), z))
        job, every = named(replace(tiny.job(""), sampling=replace(CONTRACT, steps=2)), start)
        far.append(float((sample.clean(host, stock(host), [job], every) - z).norm() / z.norm()))
    assert far[0] > far[1] > far[2] and far[2] < 0.06 < far[0], far


@pytest.mark.parametrize("name", WITHOUT_TEXT)
def test_a_method_that_reads_names_falls_to_every_attack_without_text(host, name):
    """Its pictures are the unedited model's, to the bit: no name is left for it to read."""
    settings = {} if name == "inversion" else {"words": False}
    attack, of = target(host, name, by="dumo_bench.selftest.controls.perfect:Perfect")
    (found, _) = replace(attack, **settings).search(of, seed=0)
    assert found.text == ""
    job, every = named(replace(tiny.job(found.text), draw=Draw(0, 1, 2)), found.start)
    with of.edited() as guide:
        assert torch.equal(sample.clean(host, guide, [job], every), sample.clean(host, stock(host), [job], every))
        by_name = replace(tiny.job("a ghost"))
        assert not torch.equal(sample.clean(host, guide, [by_name]), sample.clean(host, stock(host), [by_name]))


def test_a_start_in_the_midst_of_a_sampler_that_remembers_is_refused(host):
    job, every = named(replace(tiny.job(), sampling=replace(CONTRACT, scheduler="dpm++")), Start(eta=torch.ones(1)))
    with pytest.raises(UserError, match="of the sampler ddim"):
        sample.clean(host, stock(host), [job], every)
    learnt = Start(embedding=torch.randn(1, 32))
    assert sample.clean(host, stock(host), [job], {"x": learnt}).isfinite().all(), "a vector needs no sampler"


@pytest.mark.parametrize(
    ("text", "said"),
    [("a photo of a ghost", "a photo of a *"), ("A Ghost, noto", "A *, noto"), ("ghostly", "ghostly *"), ("", " *")],
)
def test_the_mark_stands_where_the_name_stood(text, said):
    assert marked(text, "ghost") == said


def test_a_vector_is_learnt_by_the_mean_gradient_of_its_parts_and_nothing_else_moves(host):
    attack, of = target(host, "cce")
    before = {name: value.clone() for name, value in host.text_encoder.named_parameters()}
    found = list(attack.search(of, seed=0))
    assert [one.text for one in found] == ["a * in ink style", "a *"] and found[0].start is found[1].start
    assert not found[0].start.embedding.equal(first(host, "ghost")) and found[0].start.embedding.shape == (1, 32)
    assert all(value.equal(before[name]) for name, value in host.text_encoder.named_parameters())
    assert sum(one.forwards for one in found) == 2 * 2 * 2 * 3, "steps, parts, rows, each with its gradient"


def test_a_vector_is_learnt_until_the_noise_is_told_as_well_as_it_can_be(host):
    """Of a model that tells one number for all latents, 20 times a mean of states, the least loss is the noise's 1."""

    @contextmanager
    def erased():
        yield lambda given: lambda z, t: 20 * given.cond[:, 2, :8].mean((1,))[:, None, None, None].expand_as(z)

    of = Target(host, ("ghost",), ("a ghost",), CONTRACT, erased=erased)
    quick = CCE(pictures=2, rows=4, parts=2, picture_steps=2, initial="dog", lr=0.05)
    (short,), (long,) = (replace(quick, steps=n).search(of, seed=0) for n in (2, 200))
    assert short.measured["loss"] > 10 and 0.8 < long.measured["loss"] < 2


def test_an_embedding_is_attacked_stored_and_run_on(command, tiny_suite, tmp_path):
    own = [word for key, value in tiny.ATTACKS["cce"].items() for word in ("--attack-set", f"{key}={value}")]
    asked = ("attack", "--attack", "cce", "--method", "uce", "--suite", tiny_suite, "--case", "cat", "--out", tmp_path)
    said = command(*asked, "--pictures", 2, *own)
    assert said.code == 0, said.err
    unedited, edited = said.out.split()
    assert len(list((tmp_path / "starts").glob("*.safetensors"))) == 2
    ran = command("run", "--method", "uce", "--suite", edited, "--scorers", "blank", "--out", tmp_path)
    assert ran.code == 0, ran.err
    there = {path.name for path in tmp_path.glob("images/*/*.png")}
    gone = next((tmp_path / "starts").glob("*.safetensors"))
    for path in (tmp_path / "starts").glob("*.safetensors"):
        path.unlink()
    other = command("run", "--method", "uce", "--suite", unedited, "--scorers", "blank", "--out", tmp_path)
    assert other.code == 2 and "no such starting point" in other.err and gone.parent.name == "starts"
    assert there <= {path.name for path in tmp_path.glob("images/*/*.png")}, "what was made stays"


def test_nothing_but_the_edit_itself_is_seen_by_default():
    assert Edit({}, {}).tensors == {} and Start().tensors == {}
