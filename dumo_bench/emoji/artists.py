"""The further artists: drawings that the judge and the scoring CLIP see in training beside the host's five styles.

Some packages draw other things under a word's name (a fruit company's mark under `apple`): those icons are left out.
`HELD_OUT` is seen by no training and by no choice of a setting; what is measured on it is measured on a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dumo_bench.emoji import svg, world

SUFFIXES = ("", "-face", "-fill", "-filled", "-solid", "-bold", "-1", "-duotone", "-color", "-line", "-outline")
HELD_OUT = "openmoji"


@dataclass(frozen=True, slots=True)
class Artist:
    """A package of drawings, and the words whose icon in it shows something else."""

    pack: svg.Pack
    wrong: frozenset[str] = frozenset()


def _artist(line: str, sha256: str, wrong: str = "") -> tuple[str, Artist]:
    name, version, licence, author, url = (part.strip() for part in line.split("|"))
    pack = svg.Pack(name, version, sha256, licence, author, f"https://{url}")
    return name, Artist(pack, frozenset(word.replace("_", " ") for word in wrong.split()))


ARTISTS: dict[str, Artist] = dict(
    (
        _artist(
            "openmoji | 1.2.29 | CC BY-SA 4.0 | OpenMoji | github.com/hfg-gmuend/openmoji",
            "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
        ),
        _artist(
            "noto-v1 | 1.2.5 | Apache 2.0 | Google Inc | github.com/googlefonts/noto-emoji",
            "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
        ),
        _artist(
            "fluent-emoji | 1.2.7 | MIT | Microsoft Corporation | github.com/microsoft/fluentui-emoji",
            "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
        ),
        _artist(
            "emojione-v1 | 1.2.3 | CC BY-SA 4.0 | Emoji One | github.com/joypixels/emojione-legacy",
            "6641d59d48a42823fdc2b84e7427e9f302944eb98d2c7d94d6e67c139e7b37b3",
            "laptop shoe",
        ),
        _artist(
            "emojione-monotone | 1.2.1 | CC BY 4.0 | Emoji One | github.com/EmojiTwo/emojitwo",
            "40b90004bafb406b59266155ef9b7e1dd67bf2947fc8db8d07388776f4d0d04e",
        ),
        _artist(
            "fxemoji | 1.2.2 | Apache 2.0 | Mozilla | github.com/mozilla/fxemoji",
            "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
        ),
        _artist(
            "streamline-emojis | 1.2.4 | CC BY 4.0 | Streamline | github.com/webalys-hq/streamline-vectors",
            "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc",
        ),
        _artist(
            "game-icons | 1.2.4 | CC BY 3.0 | GameIcons | github.com/game-icons/icons",
            "f5758efb34d91c4f50b941f355f16ee73938625e5996fabc25171288404460a4",
            "butterfly crab goblin ogre pig pumpkin spider tiger",
        ),
        _artist(
            "mdi | 1.2.3 | Apache 2.0 | Pictogrammers | github.com/Templarian/MaterialDesign",
            "ddd817a7213f91de51147943915c0cda8c8b818a53c92b5c068cfa9883c6d7ac",
            "apple beer lamp locomotive scooter",
        ),
        _artist(
            "icon-park | 1.2.4 | Apache 2.0 | ByteDance | github.com/bytedance/IconPark",
            "c1a25212a31602aca93c3fa6f6b3288e89b9d7811afc132dfd78506e9d586b6f",
            "anchor apple chicken frog hat lamp pill pumpkin telescope tower trumpet",
        ),
        _artist(
            "ph | 1.2.2 | MIT | Phosphor Icons | github.com/phosphor-icons/core",
            "e3a582a047d9829fc7e8842c660d8065e598d1b68bb58cb68e75a1f1e5a614cc",
            "lamp scooter",
        ),
        _artist(
            "dinkie-icons | 1.2.0 | MIT | atelierAnchor | github.com/atelier-anchor/dinkie-icons",
            "6e7c35397a62a8cb1343f906965e3eece5c399d149f571af3b027e52c8f8f901",
            "hat",
        ),
        _artist(
            "hugeicons | 1.2.35 | MIT | Hugeicons | icon-sets.iconify.design/hugeicons",
            "cca09de913319938961fa0613a8eb42952f76c3ee13a7c68ef411091590c5d8b",
            "apple hat lamp pumpkin",
        ),
    )
)


def drawn(artist: Artist, icons: dict[str, Any]) -> dict[str, str]:
    """Word -> icon name, for the words that the package draws: under the emoji's name, or the word's own."""
    known = set(icons["icons"]) | set(icons.get("aliases", {}))
    found = {word: _icon(word, known) for word in world.OBJECTS if word not in artist.wrong}
    return {word: icon for word, icon in found.items() if icon}


def _icon(word: str, known: set[str]) -> str:
    stems = dict.fromkeys((world.ICONS[word], word.replace(" ", "-"), word.replace(" ", "")))
    return next((stem + end for stem in stems for end in SUFFIXES if stem + end in known), "")
