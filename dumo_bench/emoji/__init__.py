"""emoji-sd: a small Stable Diffusion trained by this project, with its CLIP and its judge."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
