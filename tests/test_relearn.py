"""Protocol R: what is fine-tuned is the edit, no steps change nothing, and marks are what shorter fits would be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import frames
import pandas as pd
import pytest
import tiny
import torch

from dumo_bench.analysis import curves
from dumo_bench.analysis.curves import Curve, Mark
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.plugins import loading
from dumo_bench.report import figures
from dumo_bench.run import relearn as protocol
from dumo_bench.run.plan import Request
from dumo_bench.types import Edit

ERASE = ("ghost",)
UNDER = ("uce", "esd", "receler", "spm", "dumo", "negative", "sld")
WHAT = ("lora", "attn2", "full")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def method(of: str, **settings):
    own = ("warmup=0",) if of == "sld" else ()
    return loading.make("methods", "relearn", {"of": of, "of_set": own, "steps": 2, **settings})


def drawn(host, one, edit) -> torch.Tensor:
    jobs = [tiny.job("a ghost", 0, guidance=3.0, steps=2), tiny.job("a photo of dog", 1, guidance=2.0, steps=2)]
    with one.apply(host, edit) as guide:
        return sample.clean(host, guide, jobs)


def fit(host, one, under: Edit, keep=lambda change, edit: None) -> Edit:
    return one.fit_on(host, under, ERASE, seed=0, keep=keep)


@pytest.mark.parametrize("of", UNDER)
def test_no_steps_of_relearning_are_the_erased_model_to_the_bit_and_some_are_another(host, of):
    still = method(of, steps=0)
    under = still.inner.fit(host, ERASE, seed=0)
    erased = drawn(host, still.inner, under)
    what = "full" if of == "uce" else "lora"
    assert torch.equal(
        erased, drawn(host, method(of, steps=0, what=what), fit(host, method(of, steps=0, what=what), under))
    )
    learnt = fit(host, method(of, what=what), under)
    assert not torch.equal(erased, drawn(host, method(of, what=what), learnt))


@pytest.mark.parametrize("what", WHAT)
def test_the_edit_of_a_mark_is_that_of_a_fit_that_ends_there(host, what):
    under, kept = Edit({}, {}), dict[int, Edit]()
    fit(
        host,
        method("original", what=what, steps=3, marks=(0, 2)),
        under,
        lambda at, edit: kept.update({at["steps"]: edit}),
    )
    assert kept.keys() == {0, 2}
    for steps, found in kept.items():
        alone = fit(host, method("original", what=what, steps=steps), under)
        assert found.header == alone.header and found.tensors.keys() == alone.tensors.keys()
        assert all(torch.equal(t, alone.tensors[k]) for k, t in found.tensors.items())


def test_what_is_learnt_apart_does_not_know_the_edit(host):
    edits = [
        fit(host, method(of, compose="modular"), method(of).inner.fit(host, ERASE, seed=0))
        for of in ("original", "uce")
    ]
    own = [{k: t for k, t in edit.tensors.items() if k.startswith("lora.")} for edit in edits]
    assert own[0] and all(torch.equal(t, own[1][k]) for k, t in own[0].items())
    on_top = fit(host, method("uce"), method("uce").inner.fit(host, ERASE, seed=0))
    assert not all(torch.equal(t, on_top.tensors[k]) for k, t in own[0].items())


def test_pictures_without_the_concept_are_learnt_from_and_with_it_when_asked(host):
    from dumo_bench.kit import train

    naming, plain = train.prompts(host, ERASE)
    assert all(train.mentions(text, "ghost") for text in naming) and not any(train.mentions(t, "ghost") for t in plain)
    others, concept = (fit(host, method("original", data=data), Edit({}, {})) for data in ("others", "concept"))
    assert not torch.equal(others.tensors["lora.0." + key(others)], concept.tensors["lora.0." + key(concept)])


def key(edit: Edit) -> str:
    return next(k for k in edit.tensors if k.endswith("up.weight")).removeprefix("lora.0.")


ASKED = Request("uce", "emoji-cartoon", cases=("ghost",))


def test_the_command_asks_for_the_last_mark_first_and_for_the_unedited_model_beside_it():
    found = list(protocol.requests(ASKED, ["ridge=5"], (0, 50, 100), {"what": "full"}))
    said = [(one.settings["of"], one.settings["of_set"], one.settings["steps"], one.settings["marks"]) for one in found]
    assert said[:3] == [
        ("uce", ("ridge=5",), 100, (0, 50)),
        ("uce", ("ridge=5",), 50, (0,)),
        ("uce", ("ridge=5",), 0, ()),
    ]
    assert [one[0] for one in said[3:]] == ["original"] * 3 and all(one.settings["what"] == "full" for one in found)
    with pytest.raises(UserError, match="--marks"):
        list(protocol.requests(ASKED, [], (0,), {"steps": 3}))


@pytest.mark.parametrize("typed", ["", "a", "1,-2", "0;50"])
def test_marks_that_are_no_steps_are_refused(typed):
    with pytest.raises(UserError, match="0,50,200"):
        protocol.listed(typed)


def curve(of: str, values, role: str = "target") -> Curve:
    marks = tuple(Mark(50 * i, v, v, v, 10) for i, v in enumerate(values))
    return Curve("s", "c", role, "concept.found", "found", 0, {"of": of, "what": "lora"}, marks)


def test_half_and_gap_are_by_the_control_at_the_same_mark():
    back, control = curve("uce", [0.0, 0.2, 0.6]), curve("original", [1.0, 1.0, 0.8])
    assert curves.control(back, [back, control]) is control
    assert curves.half(back, control) == 100  # .6 is more than half of .8
    assert curves.gap(back, control) == pytest.approx((0.9 + 0.5) / (1 + 0.9))  # 1, .8, .2 of 1, 1, .8 by trapezoids
    assert curves.gap(curve("uce", [0.0, 0.0, 0.0]), control) == 1.0, "nothing came back, whatever the control shows"
    assert curves.gap(back, curve("original", [0.0, 0.0, 0.0])) is None
    assert curves.half(curve("uce", [0.0, 0.1, 0.2]), control) is None
    assert curves.gap(curve("uce", [0.0]), control) is None
    assert curves.gap(control, control) == 0 and curves.control(control, [back, control]) is None


def test_a_control_is_fine_tuned_in_the_same_way():
    back = curve("uce", [0.0])
    other = replace(curve("original", [1.0]), told={"of": "original", "what": "full"})
    assert curves.control(back, [back, other]) is None


def summarised(rank: int, sampling: str, value: float, of: str = "uce") -> list[dict]:
    """A summary's rows of a concept that is recognised in this share of pictures at two marks."""
    return [
        {
            "suite": "s", "suite_version": 1, "case": "c", "method": "relearn", "method_version": "1", "fit_seed": 0,
            "params": json.dumps({"of": of, "what": "lora", "rank": rank, "steps": steps}), "model": "m",
            "sampling": sampling, "role": "target", "concept": "*", "metric": "judge.erased", "scorer": "concept",
            "scorer_version": "1", "change": False, "n": 10, "value": value, "low": 0.0, "high": 1.0,
        }
        for steps in (0, 50)
    ]  # fmt: skip


def test_curves_of_two_contracts_or_settings_are_two_and_called_apart():
    rows = [*summarised(4, "f32", 1.0, "original"), *summarised(4, "f32", 0.5), *summarised(4, "f16", 0.0)]
    rows += summarised(64, "f32", 0.25)
    found = curves.read(pd.DataFrame(rows), frames.named("judge.erased"))
    assert [len(one.marks) for one in found] == [2] * 4 and len({one.label for one in found}) == 4
    told = {one["label"]: (one["value"], one["half"], one["gap"]) for one in curves.rows(found)}
    assert told["uce (lora, rank=4, contract f32)"] == (0.5, 0, 0.5)
    assert told["uce (lora, rank=4, contract f16)"] == (0.0, None, None), "of its contract there is no control"
    assert told["uce (lora, rank=64, contract f32)"] == (0.25, None, None), "of its rank neither"


def test_rows_have_a_mark_each_with_the_control_s_number():
    found = curves.rows([curve("uce", [0.0, 0.5]), curve("original", [1.0, 0.9])])
    assert [(one["of"], one["steps"], one["control"], one["half"]) for one in found] == [
        ("uce", 0, 1.0, 50), ("uce", 50, 0.9, 50), ("original", 0, None, None), ("original", 50, None, None),
    ]  # fmt: skip


def test_a_figure_has_a_panel_a_role_and_is_the_same_to_the_byte():
    every = [curve(of, [0.0, 0.5], role) for of in ("uce", "original") for role in ("target", "kept")]
    drawn = figures.over_steps(every, "s, c")
    assert "(target)" in drawn and "(kept)" in drawn and "steps of fine-tuning" in drawn
    assert drawn == figures.over_steps(every, "s, c")


def test_a_run_learns_on_the_edit_of_the_store_and_keeps_its_marks(tmp_path: Path, monkeypatch):
    from dumo_bench import engines
    from dumo_bench.methods import relearn
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    monkeypatch.setattr(relearn, "PLAN", relearn.Plan(pictures=2, rows=2, run=replace(relearn.PLAN.run, steps=2)))
    asked = Request("uce", "emoji-cartoon", cases=("ghost",), model=str(tiny.folder()), limit=2)
    last, first = list(protocol.requests(asked, [], (1, 2), {}, control=False))
    with engines.make(engines.Asked(), "cpu") as engine:
        session = Session(last, tmp_path, engine, "cpu")
        [path] = steps.fit(session)
        [part] = session.plan.parts
        assert part.base is not None and part.base.recipe.method == "uce" and session.store.has_edit(part.base.recipe)
        under, found = session.store.get_edit(part.base.recipe), session.store.get_edit(part.recipe)
        assert all(torch.equal(t, found.tensors[f"base.{k}"]) for k, t in under.tensors.items())
        earlier = Session(first, tmp_path, engine, "cpu")
        assert [*steps.unfitted(earlier)] == []  # was kept on the way
        plain = Session(asked, tmp_path, engine, "cpu")
        assert [*steps.unfitted(plain)] == []  # the method's own recipe
    assert path.exists() and session.store.get_edit(earlier.plan.parts[0].recipe).header["params"]["steps"] == 1


def test_the_command_loads_the_model_once_and_its_numbers_are_those_of_a_session_a_mark(
    command, tiny_suite, tmp_path, monkeypatch
):
    from dumo_bench.engines.local import Local
    from dumo_bench.methods import relearn
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session
    from dumo_bench.storage import table

    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setattr(relearn, "PLAN", relearn.Plan(pictures=2, rows=2, run=replace(relearn.PLAN.run, steps=2)))
    loads, load = [], sd.load
    monkeypatch.setattr(sd, "load", lambda *given, **named: loads.append(given) or load(*given, **named))
    scorers = ("tests/fakes.py:Lit", "blank")
    asked = ("--method", "uce", "--suite", tiny_suite, "--case", "cat", "--limit", 4, "--marks", "0,1,2")
    said = command("relearn", *asked, "--scorers", ",".join(scorers), "--out", tmp_path / "one")
    assert said.code == 0 and len(loads) == 1, said.err
    request = Request("uce", str(tiny_suite), cases=("cat",), limit=4)
    for one in protocol.requests(request, [], (0, 1, 2), {}):
        steps.run(Session(one, tmp_path / "apart", Local()), scorers)
    assert len(loads) == 7

    def rows(out: Path) -> list[str]:
        return sorted(map(repr, table.records(table.read(out / "tables", "scores"))))

    def pictures(out: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in out.glob("images/*/*.png")}

    assert rows(tmp_path / "one") == rows(tmp_path / "apart") != []
    assert pictures(tmp_path / "one") == pictures(tmp_path / "apart") != {}
    assert (tmp_path / "one" / "summary.parquet").read_bytes() == (tmp_path / "apart" / "summary.parquet").read_bytes()
