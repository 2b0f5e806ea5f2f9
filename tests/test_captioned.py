"""A folder of captioned pictures is read as fine-tuning scripts read it, and what is wrong with it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import captioned
from dumo_bench.plugins import loading
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def folder(path: Path, rows: dict[str, str], kind: str = "jsonl") -> Path:
    """Pictures whose colour is of their name, and their captions."""
    path.mkdir()
    for number, name in enumerate(rows):
        shade = (40 * ord(name[0]) % 256, 90, 30 * number)
        Image.new("RGB", (48, 32), shade).save(path / name)
    if kind == "csv":
        lines = ["file_name,text", *(f'{name},"{text}"' for name, text in rows.items())]
    else:
        lines = [json.dumps({"file_name": name, "text": text}) for name, text in rows.items()]
    (path / f"metadata.{kind}").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


ROWS = {"a.png": "a dog", "b.png": "a cat, by noto"}


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_both_lists_say_the_same(tmp_path, kind):
    found = captioned.read(folder(tmp_path / "f", ROWS, kind))
    assert [(row.path.name, row.text) for row in found] == [*ROWS.items()]


def test_a_folder_is_called_by_its_pictures_and_captions_wherever_it_lies(tmp_path):
    first, moved = (
        captioned.read(folder(tmp_path / name, ROWS, kind)) for name, kind in (("f", "jsonl"), ("g", "csv"))
    )
    assert captioned.identity(first) == captioned.identity(moved)
    other = captioned.read(folder(tmp_path / "h", ROWS | {"b.png": "a cat"}))
    assert captioned.identity(other) != captioned.identity(first)
    Image.new("RGB", (9, 9)).save(first[0].path)
    assert captioned.identity(first) != captioned.identity(moved)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "names no picture"), ('{"file_name": "a.png"}', "row 1: wanted a file_name and a text"),
        ('{"file_name": "no.png", "text": "x"}', "there is no file 'no.png'"), ("[1", "cannot be read"),
        ('["a.png"]', "row 1: wanted"), ('{"file_name": "a.png", "text": 3}', "row 1: wanted"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_said_with_its_row(tmp_path, line, said):
    path = folder(tmp_path / "f", ROWS)
    (path / "metadata.jsonl").write_text(line)
    with pytest.raises(UserError, match=said):
        captioned.read(path)


def test_a_folder_without_a_list_and_a_file_that_is_no_picture_are_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"metadata\.jsonl or metadata\.csv"):
        captioned.read(tmp_path / "empty")
    rows = captioned.read(folder(tmp_path / "f", ROWS))
    rows[1].path.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"b\.png is no picture"):
        captioned.pixels(rows, 8)


def test_a_picture_is_read_as_scorers_read_it_and_a_caption_may_have_lines(tmp_path):
    from dumo_bench.scorers import pictures

    path = folder(tmp_path / "f", {"a.png": "a dog\nby noto"}, "csv")
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))  # nothing but white paper is seen
    clear.save(path / "a.png")
    [row] = captioned.read(path)
    assert row.text == "a dog\nby noto"
    assert (captioned.pixels([row], 8)[0].numpy() == pictures.read(row.path)).all() and pictures.read(
        row.path
    ).min() == 255


def test_the_middle_square_is_taken(tmp_path):
    path = folder(tmp_path / "f", {"a.png": "a dog"})
    wide = Image.new("RGB", (60, 20), "red")
    wide.paste("blue", (20, 0, 40, 20))
    wide.save(path / "a.png")
    inner = captioned.pixels(captioned.read(path), 10)[0, 2:-2, 2:-2]  # Lanczos rings
    assert (inner.float() - torch.tensor([0.0, 0.0, 255.0])).abs().max() < 16


def test_latents_are_those_that_diffusers_makes_of_the_picture(host):
    from diffusers.image_processor import VaeImageProcessor

    pixels = torch.randint(256, (2, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    given = VaeImageProcessor(vae_scale_factor=host.factor).preprocess([Image.fromarray(one.numpy()) for one in pixels])
    with torch.no_grad():
        wanted = host.vae.encode(given.to(host.dtype)).latent_dist.mode() * host.vae.config.scaling_factor
    torch.testing.assert_close(sd.encoded(host, pixels), wanted)


def relearn(data: Path | str):
    return loading.make("methods", "relearn", {"of": "original", "steps": 2, "rows": 2, "data": str(data)})


def learnt(host: sd.Host, data: Path) -> dict[str, torch.Tensor]:
    return dict(relearn(data).fit_on(host, Edit({}, {}), ("ghost",), seed=0, keep=lambda change, edit: None).tensors)


def test_relearning_from_a_folder_leaves_out_what_names_the_erased_concept(host, tmp_path):
    plain, named = folder(tmp_path / "f", ROWS), folder(tmp_path / "g", {**ROWS, "c.png": "A GHOST in noto style"})
    other = folder(tmp_path / "h", {"a.png": "a cat", "b.png": "a dog"})
    one, same, third = (learnt(host, path) for path in (plain, named, other))
    assert all(torch.equal(t, same[name]) for name, t in one.items())
    assert any(not torch.equal(t, third[name]) for name, t in one.items())
    with pytest.raises(UserError, match="all 1 captions"):
        learnt(host, folder(tmp_path / "i", {"a.png": "a ghost"}))


def test_a_recipe_says_which_pictures_and_not_where_they_lie(tmp_path):
    for name in "xy":
        (tmp_path / name).mkdir()
    said = [relearn(folder(tmp_path / name / "f", ROWS)).identity()["data"] for name in "xy"]
    assert said[0] == said[1] and said[0].startswith("f ")
    assert relearn("others").identity()["data"] == "others"
    with pytest.raises(UserError, match="wanted others, concept or a folder"):
        relearn("othres").identity()


def test_a_folder_of_the_drawings_has_every_object_but_those_left_out_and_is_read_again(tmp_path):
    from dumo_bench.emoji import folder as drawings
    from dumo_bench.emoji import world
    from dumo_bench.kit import train

    torch.save(
        torch.full((len(world.OBJECTS), len(world.STYLES), 4, 128, 128), 255, dtype=torch.uint8), tmp_path / "icons.pt"
    )
    rows = captioned.read(drawings.make(tmp_path, ["ghost"], copies=1, seed=0))
    assert len(rows) == (len(world.OBJECTS) - 1) * len(world.STYLES)
    seen = {word for word in world.OBJECTS if any(train.mentions(row.text, word) for row in rows)}
    assert seen == {*world.OBJECTS} - {"ghost"}
    assert captioned.pixels(rows[:2], world.SIZE).shape == (2, world.SIZE, world.SIZE, 3)
