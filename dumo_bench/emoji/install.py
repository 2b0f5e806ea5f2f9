"""What a training left becomes folders: `python -m dumo_bench.emoji.install FOLDER`. The host's files stay as they are.

judge-2 and clip-2 are whole model folders. emoji-flow's folder holds its transformer, its scheduler and an index that
names FluxPipeline; autoencoder, text tower and tokenizer are the host's, and the index says under `_shared` where.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from dumo_bench.emoji import WEIGHTS, flow, measure, phrases, train_clip2, train_judge2

FLOW = WEIGHTS.with_name("flow")
SHARED = {
    "vae": "vae",
    "text_encoder": "text_encoder",
    "tokenizer": "tokenizer",
    "text_encoder_2": "text_encoder",
    "tokenizer_2": "tokenizer",
    "world.json": "world.json",
}


def facts(path: Path) -> dict[str, Any]:
    """Steps, seconds and losses that a training wrote into its weights."""
    from safetensors import safe_open

    with safe_open(path, "pt") as kept:
        found = kept.metadata()
    return {"steps": int(found["step"]), "seconds": float(found["seconds"]), "losses": json.loads(found["log"])}


def net(made: Any, weights: Path, out: Path, config: dict[str, Any]) -> None:
    """A network's configuration, with what `config` adds, beside its weights in half precision."""
    from safetensors.torch import load_file

    made.load_state_dict(load_file(weights))
    shutil.rmtree(out, ignore_errors=True)
    made.half().save_pretrained(out)
    for file in out.glob("*.safetensors"):
        file.chmod(0o644)  # it is written for its owner alone
    path = out / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **config}, indent=2) + "\n", encoding="utf-8"
    )
    (out / "training.json").write_text(json.dumps(facts(weights)) + "\n", encoding="utf-8")


def judge(folder: Path, temperature: float) -> None:
    """The judge; its configuration holds the temperature of its object head, and the bound of its alarm.

    The temperature is the mean of those that the leave-out judges give on artists that they have not seen.
    """
    own = {"dtype": "float32", "object_temperature": temperature, "sure": measure.SURE}
    net(train_judge2.make(), folder / "judge-2.safetensors", WEIGHTS / "judge-2", own)


def clip(folder: Path) -> None:
    """The scoring CLIP, with the host's tokenizer."""
    out = WEIGHTS / "clip-2"
    net(train_clip2.make(), folder / "clip-2.safetensors", out, {"dtype": "float32"})
    for file in (WEIGHTS / "tokenizer").iterdir():
        shutil.copy(file, out)


def transformer(folder: Path) -> None:
    """emoji-flow's own parts and its index."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    net(flow.make(), folder / "flow.safetensors", FLOW / "transformer", {})
    FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(FLOW / "scheduler")
    (FLOW / "model_index.json").write_text(json.dumps(index(), indent=2) + "\n", encoding="utf-8")


def index() -> dict[str, Any]:
    """FluxPipeline's index. CLIP's tower and tokenizer stand in T5's place too: the states come from there."""
    tower, words = ["transformers", "CLIPTextModel"], ["transformers", "CLIPTokenizer"]
    return {
        "_class_name": "FluxPipeline",
        "_max_sequence_length": phrases.LENGTH,
        "_sample_size": flow.SIDE,
        "_shared": {name: f"../{WEIGHTS.name}/{place}" for name, place in SHARED.items()},
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": tower,
        "text_encoder_2": tower,
        "tokenizer": words,
        "tokenizer_2": words,
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def pipeline(folder: Path = FLOW) -> Any:
    """Stock diffusers' FluxPipeline of emoji-flow, in single precision.

    Call it with height=64, width=64, max_sequence_length=16, negative_prompt="", true_cfg_scale=3.0 and
    sigmas=flow.levels(20)[:-1].tolist().
    """
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, CLIPTokenizer

    shared = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_shared"]
    places = {name: folder / place for name, place in shared.items()}
    vae = AutoencoderKL.from_pretrained(places["vae"]).float()
    vae.register_to_config(shift_factor=0.0)  # FluxPipeline adds it
    tower = CLIPTextModel.from_pretrained(places["text_encoder"]).float()
    words = CLIPTokenizer.from_pretrained(places["tokenizer"])
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        vae=vae,
        text_encoder=tower,
        tokenizer=words,
        text_encoder_2=tower,
        tokenizer_2=words,
        transformer=FluxTransformer2DModel.from_pretrained(folder / "transformer").float(),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--temperature", type=float, default=1.0, help="of the judge, from the leave-out runs")
    options = parser.parse_args()
    for part in ("judge", "clip", "flow"):
        name = part if part == "flow" else f"{part}-2"
        if not (options.folder / f"{name}.safetensors").exists():
            print(f"{name}: no weights in {options.folder}")
        elif part == "judge":
            judge(options.folder, options.temperature)
        else:
            {"clip": clip, "flow": transformer}[part](options.folder)
