"""Samplers by name, each defined whole; a text that the contract's hash covers says it. No torch.

A model's scheduler_config.json gives the noise that the model was trained on, and nothing else: what more it says
depends on the tool that wrote it, and two folders with the same weights would give different pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dumo_bench.errors import UserError, unknown


class Sampler(NamedTuple):
    """A class of diffusers with every setting of its own; `step`: those of each step. `about`: who samples so."""

    kind: str
    about: str
    settings: Mapping[str, Any]
    step: Mapping[str, Any] = {}


#: what the model was trained on, and diffusers' values where its file does not say
NOISE: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
}
#: of the noise as well, but not every class knows it
RESCALED = "rescale_betas_zero_snr"

_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
_PREDICTIONS = ("epsilon", "v_prediction", "sample")
_LEADING = {"timestep_spacing": "leading", "steps_offset": 1}  # as Stable Diffusion was published: 981, 961, ... 1
_LINSPACE = {"timestep_spacing": "linspace", "steps_offset": 0}  # 999, 978.6, ... 0
_PLAIN_SIGMAS = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
_NO_THRESHOLD = {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
_DPM = {
    **_NO_THRESHOLD,
    **_PLAIN_SIGMAS,
    "algorithm_type": "dpmsolver++",
    "solver_order": 2,
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
    "use_lu_lambdas": False,
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "final_sigmas_type": "zero",
    "lambda_min_clipped": -float("inf"),
    "variance_type": None,
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
}

#: samplers that draw nothing while sampling
SAMPLERS: Mapping[str, Sampler] = {
    "ddim": Sampler(
        "DDIMScheduler",
        "Stable Diffusion's own; MACE's files of prompts",
        {**_LEADING, **_NO_THRESHOLD, "clip_sample": False, "clip_sample_range": 1.0, "set_alpha_to_one": False},
        {"eta": 0.0, "use_clipped_model_output": False},
    ),
    "dpm++": Sampler("DPMSolverMultistepScheduler", "ours, of emoji-sd's suites", {**_LEADING, **_DPM}),
    "dpm++-linspace": Sampler("DPMSolverMultistepScheduler", "MACE's demo", {**_LINSPACE, **_DPM}),
    "euler": Sampler(
        "EulerDiscreteScheduler",
        "the usual one of Stable Diffusion XL",
        {
            **_LEADING,
            **_PLAIN_SIGMAS,
            "interpolation_type": "linear",
            "sigma_min": None,
            "sigma_max": None,
            "timestep_type": "discrete",
            "final_sigmas_type": "zero",
        },
        {"s_churn": 0.0},
    ),
    "lms": Sampler(
        "LMSDiscreteScheduler",
        "DuMo, Receler, UCE, RECE, AdvUnlearn, and ESD of 2023",
        {**_LINSPACE, **_PLAIN_SIGMAS},
        {"order": 4},
    ),
    "pndm": Sampler(
        "PNDMScheduler",
        "the usual one of Stable Diffusion 1.4, so later ESD and UCE",
        {**_LEADING, "skip_prk_steps": True, "set_alpha_to_one": False},
    ),
}


def named(name: str) -> Sampler:
    """A sampler by its name."""
    if name not in SAMPLERS:
        raise unknown("schedulers", name, SAMPLERS)
    return SAMPLERS[name]


def settings(name: str, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument of the sampler's class: its own, and the noise of a model's scheduler_config.json."""
    sampler = named(name)
    noise = {key: schedule.get(key, usual) for key, usual in NOISE.items()}
    rescaled = schedule.get(RESCALED, False)
    if problem := _odd(noise, rescaled):
        raise UserError(f"the model's scheduler_config.json: {problem}")
    if sampler.kind == "PNDMScheduler" and noise["prediction_type"] == "sample":
        raise UserError(f"scheduler {name!r} cannot sample this model, which predicts the picture itself: take ddim")
    if sampler.kind in ("LMSDiscreteScheduler", "PNDMScheduler"):
        if rescaled:
            raise UserError(
                f"scheduler {name!r} cannot sample this model, whose noise ends at a signal of 0: take ddim"
            )
        return {**noise, **sampler.settings}
    return {**noise, RESCALED: rescaled, **sampler.settings}


def _odd(noise: Mapping[str, Any], rescaled: Any) -> str:
    """What is wrong with the noise of a model, in words; "" if nothing is."""
    steps, betas, ends = noise["num_train_timesteps"], noise["trained_betas"], (noise["beta_start"], noise["beta_end"])
    if type(steps) is not int or steps < 2:
        return f"num_train_timesteps is a whole number of at least 2, got {steps!r}"
    for key, known in (("prediction_type", _PREDICTIONS), ("beta_schedule", _SCHEDULES)):
        if noise[key] not in known:
            return f"{key} is one of {', '.join(known)}, got {noise[key]!r}"
    if betas is not None and not (isinstance(betas, list) and len(betas) == steps and all(map(_share, betas))):
        return f"trained_betas is a list of {steps} numbers between 0 and 1"
    if not all(map(_share, ends)):
        return f"beta_start and beta_end are numbers between 0 and 1, got {ends[0]!r} and {ends[1]!r}"
    return "" if isinstance(rescaled, bool) else f"{RESCALED} is true or false, got {rescaled!r}"


def _share(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1


def begins(name: str, steps: int, trained: int) -> int:
    """The first timestep of a sampler, of a model trained on timesteps 0 to `trained` - 1: where the noise stands."""
    solver, leading = named(name).kind == "DPMSolverMultistepScheduler", named(name).settings["timestep_spacing"]
    parts = steps + solver  # the solver's last part ends in the picture itself
    if leading == "leading":
        return int(trained // parts * (parts - 1) + named(name).settings["steps_offset"])
    return trained - 1 if parts > 1 else 0


def check_steps(name: str, steps: int, schedule: Mapping[str, Any]) -> None:
    """Refuse a number of steps that would begin in the middle of the noise, or that has not one timestep a step."""
    trained = settings(name, schedule)["num_train_timesteps"]
    first, most = begins(name, steps, trained), trained - (named(name).kind == "DPMSolverMultistepScheduler")
    if first < trained // 2 - 1 or first > trained - 1 or steps > most:
        raise UserError(
            f"steps = {steps}: scheduler {name!r} would begin at timestep {first} of 0 to {trained - 1}: what it makes "
            "of pure noise there is no sample of the model; take another number of steps"
        )


def vae_dtype(dtype: str) -> str:
    """The precision that latents are decoded in: half precision overflows in some VAEs and leaves black pictures."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def definition(name: str, schedule: Mapping[str, Any], dtype: str) -> str:
    """The whole definition in one line: equal texts, equal sampling."""
    made, step = _said(settings(name, schedule)), _said(named(name).step)
    return f"{named(name).kind}({made}); step({step}); VAE in {vae_dtype(dtype)}"


def _said(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={given[key]!r}" for key in sorted(given))
