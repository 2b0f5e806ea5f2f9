"""All weights of the emoji world from nothing: `python -m dumo_bench.emoji.build`. Resumes where it was stopped.

Run with MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 in the environment: on a CPU it is three times faster.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dumo_bench.emoji import WEIGHTS, captions, draw, loop, svg, train_clip, train_judge, train_unet, train_vae, world
from dumo_bench.emoji.artists import ARTISTS

SD14_SCHEDULER = {"set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1}  # as SD v1.4 ships it
REAL_COPIES = 4


def build(folder: Path, out: Path) -> None:
    """Train what is not trained, then write the package's weights."""
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    clip = train_clip.run(folder)
    host(folder, clip, fresh)
    towers(folder, clip, fresh)
    real(folder, clip, fresh)
    words = {"objects": world.OBJECTS, "styles": list(world.STYLES), "prompts": vocabulary()}
    (fresh / "world.json").write_text(json.dumps(words, indent=0), encoding="utf-8")
    shutil.copy(out / "plans.toml", fresh)  # written by hand
    (out.parent / "ATTRIBUTION.md").write_text(attribution(), encoding="utf-8")
    (fresh / "training.json").write_text(json.dumps(times(folder), indent=1), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)


def host(folder: Path, clip: Any, out: Path) -> None:
    """The diffusers folder, in half precision."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    vae = train_vae.second(folder)
    vae.register_to_config(scaling_factor=round(1 / scale(folder), 5))
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=clip.text_model,
        tokenizer=train_clip.tokenizer(folder),
        unet=train_unet.run(folder),
        scheduler=PNDMScheduler(**train_unet.SCHEDULE, **SD14_SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(dtype=torch.float16).save_pretrained(out)
    path = out / "text_encoder" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # transformers loads in the stored precision unless told, diffusers in single: the two must agree
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def scale(folder: Path) -> float:
    """Standard deviation of the latents that the U-Net was trained on."""
    return float(train_unet.latents(folder).std())


def towers(folder: Path, clip: Any, out: Path) -> None:
    """emoji-clip and emoji-judge, in half precision."""
    clip.half().save_pretrained(out / "clip")
    train_clip.tokenizer(folder).save_pretrained(out / "clip")
    clip.float()
    train_judge.run(folder).half().save_pretrained(out / "judge")


@torch.no_grad()
def real(folder: Path, clip: Any, out: Path) -> None:
    """Features of real pictures, so that distances to them need no drawings."""
    from safetensors.torch import save_file

    data = draw.pictures(folder, REAL_COPIES, seed=5)
    parts = [clip.get_image_features(pixel_values=train_clip.pictures(p)) for p in torch.split(data["picture"], 256)]
    features = torch.cat([getattr(p, "pooler_output", p) for p in parts])
    kept = {"clip": features.half(), "object": data["object"].int(), "style": data["style"].int()}
    save_file(kept, out / "real.safetensors")


def vocabulary(each: int = 12) -> list[str]:
    """Captions of every object, for methods that learn from prompts."""
    g = torch.Generator().manual_seed(6)
    looks = torch.randint(5, (len(world.OBJECTS), each, 2), generator=g).tolist()  # styles, backgrounds
    drawn = [captions.draw(o, s, b, g).text for o, row in enumerate(looks) for s, b in row]
    return sorted(set(drawn))


def times(folder: Path) -> dict[str, dict[str, float]]:
    """Steps and seconds of every run."""
    plans = (train_vae.FIRST, train_vae.SECOND, train_clip.PLAN, train_judge.PLAN, train_unet.PLAN)
    return {p.name: {"steps": p.steps, "seconds": round(loop.seconds(folder, p.name))} for p in plans}


def attribution() -> str:
    """What the licences of the drawings ask for."""
    head = (
        "# Attribution\n\nThe weights in this folder, emoji-flow's too, were trained on emoji drawn by others. The "
        "drawings themselves are not part of this package; the training script fetches them from npm and checks their "
        "hashes. They were rasterised, scaled, shifted, mirrored and put on plain backgrounds.\n\n"
    )
    further = (
        "\nThe second judge and the second scoring CLIP (`judge-2`, `clip-2`) were trained on these as well, "
        "recoloured, bent, outlined and worn. `openmoji` was used to measure them only, and by no training.\n\n"
    )
    own = {style: svg.PACKS[name] for style, name in world.STYLES.items()}
    return head + _credits("style", own) + further + _credits("artist", {n: a.pack for n, a in ARTISTS.items()})


def _credits(kind: str, packs: Mapping[str, svg.Pack]) -> str:
    """Who drew what, under which licence, as a Markdown table."""
    rows = [
        f"| {name} | {p.author} | [{p.url.removeprefix('https://')}]({p.url}) | {p.licence} "
        f"| `@iconify-json/{p.name}` {p.version} | `{p.sha256}` |"
        for name, p in packs.items()
    ]
    head = f"| {kind} | drawn by | source | licence | package | sha256 |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/emoji"), help="checkpoints and drawings")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    build(options.work, options.out)
