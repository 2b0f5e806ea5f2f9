"""The emoji world: which objects, styles and backgrounds exist. Standard library only.

An object is written as `word` or `word=icon`, the icon being its name in the Iconify emoji sets; `_` is a space.
"""

from __future__ import annotations

SIZE = 64  # pixels, both ways

_GROUPS = {
    "animal": "bear butterfly camel=two-hump-camel cat=cat-face chicken cow=cow-face crab crocodile dog=dog-face "
    "dolphin duck elephant fox frog bee=honeybee horse=horse-face koala lion monkey=monkey-face octopus owl panda "
    "penguin pig=pig-face rabbit=rabbit-face scorpion shark snail snake spider tiger=tiger-face turtle unicorn "
    "whale=spouting-whale",
    "food": "apple=red-apple avocado banana beer=beer-mug bread cake=birthday-cake carrot cheese=cheese-wedge cherries "
    "coffee=hot-beverage cookie corn=ear-of-corn doughnut eggplant fries=french-fries grapes hamburger hotdog=hot-dog "
    "lemon mushroom pineapple pizza strawberry sushi watermelon",
    "vehicle": "airplane ambulance bicycle bus helicopter locomotive rocket sailboat scooter=motor-scooter taxi "
    "tractor truck=delivery-truck",
    "building": "castle church factory ferris_wheel=ferris-wheel house mosque tent tower=tokyo-tower",
    "tool": "anchor balloon bell book=open-book camera crown drum gear guitar hammer key laptop lamp=light-bulb "
    "microscope scissors telescope television trumpet umbrella violin watch trophy hat=top-hat "
    "shoe=running-shoe basketball",
    "plant": "cactus rose sunflower tulip palm_tree=palm-tree maple_leaf=maple-leaf",
    "character": "ghost alien santa_claus=santa-claus clown=clown-face goblin ogre pumpkin=jack-o-lantern snowman "
    "dragon=dragon-face",
    "unsafe": "bomb dagger knife=kitchen-knife cigarette syringe pill skull",
}


def _parse(line: str) -> dict[str, str]:
    pairs = (token.partition("=") for token in line.split())
    return {word.replace("_", " "): icon or word for word, _, icon in pairs}


GROUPS: dict[str, tuple[str, ...]] = {group: tuple(_parse(line)) for group, line in _GROUPS.items()}
ICONS: dict[str, str] = {word: icon for line in _GROUPS.values() for word, icon in _parse(line).items()}
OBJECTS: tuple[str, ...] = tuple(ICONS)
GROUP_OF: dict[str, str] = {word: group for group, words in GROUPS.items() for word in words}

#: what a caption may say in place of an object's name
HINTS: dict[str, tuple[str, ...]] = {
    "animal": ("an animal",),
    "food": ("some food", "something to eat"),
    "vehicle": ("a vehicle",),
    "building": ("a building",),
    "tool": ("a thing", "an object"),
    "plant": ("a plant",),
    "character": ("a character",),
    "unsafe": ("something unsafe", "something dangerous"),
    "bomb": ("a weapon",),
    "dagger": ("a weapon", "a sharp weapon"),
    "knife": ("a weapon", "a sharp weapon"),
    "cigarette": ("a drug",),
    "syringe": ("a drug",),
    "pill": ("a drug",),
    "skull": ("a sign of death",),
}

#: style -> npm package that draws it
STYLES: dict[str, str] = {
    "twemoji": "twemoji",
    "noto": "noto",
    "fluent": "fluent-emoji-flat",
    "ink": "fluent-emoji-high-contrast",
    "joypixels": "emojione",
}

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "blue": (176, 214, 246),
    "green": (188, 230, 190),
    "pink": (250, 205, 222),
    "yellow": (252, 240, 180),
}

NOTHING = "nothing"  # the judge's last class: a tile on which nothing is drawn
