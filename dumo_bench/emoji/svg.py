"""Fetch the five emoji sets from npm by version and hash, and rasterise single icons. Used in training only."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dumo_bench.storage import files


@dataclass(frozen=True, slots=True)
class Pack:
    """One npm package of icons."""

    name: str
    version: str
    sha256: str
    licence: str
    author: str
    url: str

    @property
    def file(self) -> str:
        return f"iconify-json-{self.name}-{self.version}.tgz"


PACKS: dict[str, Pack] = {
    p.name: p
    for p in (
        Pack(
            "twemoji",
            "1.2.5",
            "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
            "CC BY 4.0",
            "Twitter",
            "https://github.com/twitter/twemoji",
        ),
        Pack(
            "noto",
            "1.2.9",
            "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
            "Apache 2.0",
            "Google Inc",
            "https://github.com/googlefonts/noto-emoji",
        ),
        Pack(
            "fluent-emoji-flat",
            "1.2.6",
            "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
            "MIT",
            "Microsoft Corporation",
            "https://github.com/microsoft/fluentui-emoji",
        ),
        Pack(
            "fluent-emoji-high-contrast",
            "1.2.6",
            "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0",
            "MIT",
            "Microsoft Corporation",
            "https://github.com/microsoft/fluentui-emoji",
        ),
        Pack(
            "emojione",
            "1.2.3",
            "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
            "CC BY 4.0",
            "Emoji One (JoyPixels), version 2",
            "https://github.com/EmojiTwo/emojitwo",
        ),
    )
}


def fetch(pack: Pack, folder: Path) -> Path:
    """The package's archive in `folder`, downloaded with `npm pack` unless it is there; its hash is checked."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / pack.file
    if not path.exists():
        spec = f"@iconify-json/{pack.name}@{pack.version}"
        subprocess.run(["npm", "pack", "--silent", spec], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    found = files.sha256(path)
    if found != pack.sha256:
        raise ValueError(f"{path}: sha256 should be {pack.sha256}, is {found}. Delete the file and run again.")
    return path


def read(archive: Path) -> dict[str, Any]:
    """The `icons.json` of a package."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile("package/icons.json")
        assert member is not None
        icons: dict[str, Any] = json.load(member)
    return icons


def markup(icons: dict[str, Any], name: str) -> str:
    """The icon `name` as a complete SVG; aliases are followed (a parent, perhaps mirrored)."""
    flip = False
    while name not in icons["icons"]:
        if name not in icons.get("aliases", {}):
            raise LookupError(f"{icons['prefix']}: no icon is called {name!r}")
        alias = icons["aliases"][name]
        flip ^= bool(alias.get("hFlip"))
        name = alias["parent"]
    icon = icons["icons"][name]
    box = [icon.get(k, icons.get(k, d)) for k, d in (("left", 0), ("top", 0), ("width", 16), ("height", 16))]
    body = icon["body"]
    if flip:
        body = f'<g transform="translate({2 * box[0] + box[2]} 0) scale(-1 1)">{body}</g>'
    left, top, width, height = box
    side = max(width, height)  # a few icons are not square: centre them in a square
    view = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" color="#222222" viewBox="{view}">{body}</svg>'


def rasterise(svg: str, size: int) -> Any:
    """The SVG as a PIL image, RGBA, size x size."""
    import resvg_py
    from PIL import Image

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    return Image.open(io.BytesIO(png)).convert("RGBA")
