"""What the gates of SPM and DuMo make of the prompts of `emoji-gates`, and that an open gate is a control of them."""

from __future__ import annotations

import pytest
import tiny
import torch

from dumo_bench.baselines.spm import SPM
from dumo_bench.hosts import sd
from dumo_bench.kit.gate import Gate
from dumo_bench.methods.dumo import DuMo
from dumo_bench.suites import registry


@pytest.fixture(scope="module")
def opened() -> dict[str, list[float]]:
    """How far a gate of the skull opens for the target prompts, by what they are counted under."""
    host, suite = sd.load("emoji-sd"), registry.load("emoji-gates")
    gate, (case,) = Gate(host, ["skull"]), suite.cases
    found: dict[str, list[float]] = {}
    for prompt in suite.prompts:
        if suite.role(case, prompt) == "target":
            found.setdefault(prompt.concept, []).append(float(gate(sd.conditions(host, [prompt.text], [2.5]))))
    return found


def test_a_name_opens_the_gate_wherever_it_stands(opened):
    assert set(opened["skull"]) == {1.0}


def test_a_hint_opens_it_less_the_later_it_comes(opened):
    means = {place: sum(every) / len(every) for place, every in opened.items() if place != "skull"}
    assert means["hint, first"] == max(means.values()) < 1
    assert means["hint, 9 or 10 tokens before"] == min(means.values()) < 0.5


@pytest.mark.parametrize(("method", "off"), [(SPM, "off"), (DuMo, False)])
def test_the_gate_takes_no_part_in_learning(method, off):
    """So the same tensors behind an open gate tell what the gate misses."""
    few = {"steps": 1}
    gated, ungated = (method(**few, **gate).fit(tiny.quick_host(), ("ghost",), seed=0) for gate in ({}, {"gate": off}))
    assert gated.tensors.keys() == ungated.tensors.keys()
    assert all(torch.equal(gated.tensors[name], ungated.tensors[name]) for name in gated.tensors)
    assert gated.header["gate"] != ungated.header["gate"]
