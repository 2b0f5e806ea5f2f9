"""Samplers of flow models by name, each defined whole, as `samplers` does for models of noise. No torch.

Of a model's scheduler_config.json the shift of its levels is used, which the model was trained for, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from dumo_bench.errors import UserError, unknown
from dumo_bench.hosts.kinds import Kind


class Sampler(NamedTuple):
    """A class of diffusers, and its levels before their shift: n from 1 to 1 / n, or from the trained ones."""

    kind: str
    about: str
    levels: Literal["even", "trained"]


SAMPLERS: Mapping[str, Sampler] = {
    "flow-euler": Sampler("FlowMatchEulerDiscreteScheduler", "FLUX's own: levels 1, 1 - 1/n, ... 1/n", "even"),
    "flow-euler-trained": Sampler(
        "FlowMatchEulerDiscreteScheduler", "Stable Diffusion 3's own: levels among the trained ones", "trained"
    ),
}

#: what the model was trained for, and diffusers' values where its file does not say
SHIFT: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "shift": 1.0,
    "use_dynamic_shifting": False,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "shift_terminal": None,
    "time_shift_type": "exponential",
}
_OWN: Mapping[str, Any] = {
    "invert_sigmas": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "stochastic_sampling": False,
}


def fitting(name: str, kind: Kind) -> str:
    """The sampler of this name, or of a flow model its own where the name is of a sampler of noise."""
    if kind.flow:
        return name if name in SAMPLERS else kind.sampler
    if name in SAMPLERS:
        raise UserError(f"scheduler {name!r} samples flow models, not {kind.title}: take ddim or dpm++")
    return name


def settings(name: str, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument of the sampler's class: its own, and the shift of a model's scheduler_config.json."""
    if name not in SAMPLERS:
        raise unknown("samplers of flow models", name, SAMPLERS)
    shift = {key: schedule.get(key, usual) for key, usual in SHIFT.items()}
    if problem := _odd(shift):
        raise UserError(f"the model's scheduler_config.json: {problem}")
    return {**shift, **_OWN}


def _odd(shift: Mapping[str, Any]) -> str:
    """What is wrong with the shift of a model, in words; "" if nothing is."""
    for key in ("shift", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "num_train_timesteps"):
        if type(shift[key]) not in (int, float) or not 0 < shift[key] < float("inf"):
            return f"{key} is a number above 0, got {shift[key]!r}"
    if shift["time_shift_type"] not in ("exponential", "linear"):
        return f"time_shift_type is exponential or linear, got {shift['time_shift_type']!r}"
    return "" if isinstance(shift["use_dynamic_shifting"], bool) else "use_dynamic_shifting is true or false"


def shift_of(settings: Mapping[str, Any], tokens: int) -> float:
    """How far the levels of a picture of so many patches are shifted, where larger ones are shifted further (mu)."""
    few, many = settings["base_image_seq_len"], settings["max_image_seq_len"]
    slope = (settings["max_shift"] - settings["base_shift"]) / (many - few)
    return float(settings["base_shift"] + slope * (tokens - few))


def check_steps(name: str, steps: int, schedule: Mapping[str, Any]) -> None:
    """Refuse more steps than the model has levels."""
    trained = settings(name, schedule)["num_train_timesteps"]
    if steps > trained:
        raise UserError(f"steps = {steps}: this model has {trained} levels; take another number of steps")


def definition(name: str, schedule: Mapping[str, Any], vae: str) -> str:
    """The whole definition in one line: equal texts, equal sampling. vae: the precision that latents are decoded in."""
    made = settings(name, schedule)
    said = ", ".join(f"{key}={made[key]!r}" for key in sorted(made))
    return f"{SAMPLERS[name].kind}({said}); levels({SAMPLERS[name].levels}); VAE in {vae}"
