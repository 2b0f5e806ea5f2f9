"""The same thing measured by this project and by a library used directly: what tests hold to a bound and docs print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import tiny_models
import torch
from PIL import Image, ImageDraw

from dumo_bench.metrics import paired
from dumo_bench.metrics.frechet import frechet_distance
from dumo_bench.metrics.kernel import kernel_distance
from dumo_bench.scorers.clip_accuracy import ClipAccuracy
from dumo_bench.scorers.clip_accuracy_mace import ClipAccuracyMace
from dumo_bench.scorers.clip_score import ClipScore
from dumo_bench.scorers.concept import look
from dumo_bench.scorers.inception import Inception
from dumo_bench.scorers.lpips import Lpips
from dumo_bench.scorers.nudenet import NudeNet
from dumo_bench.scorers.nudenet_views import VIEWS
from dumo_bench.scorers.presets import LIBRARY, select
from dumo_bench.scorers.style_classifier import StyleClassifier
from dumo_bench.types import Detection, Sample

FEW = 16  # dimensions in which covariances of 24 pictures have full rank, as the libraries' matrix roots need
WORDS = ("dog", "ghost", "bomb")
PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


class Pair(NamedTuple):
    """Numbers of ours and of a library's, in the same order, from `n` pictures; 0: from drawn numbers."""

    ours: np.ndarray
    theirs: np.ndarray
    n: int = 0


def pair(ours: object, theirs: object, n: int = 0) -> Pair:
    return Pair(np.asarray(ours, np.float64).ravel(), np.asarray(theirs, np.float64).ravel(), n)


def share(ours: object, theirs: object, n: int) -> Pair:
    """In units of the library's largest number: random networks' features are of any size, often a tiny one."""
    found = pair(ours, theirs, n)
    largest = np.abs(found.theirs).max()
    return Pair(found.ours / largest, found.theirs / largest, n)


# FID and KID


@cache
def folders(root: Path) -> tuple[Path, Path]:
    """Two folders of 24 pictures, of two sizes."""
    for name, seed in (("a", 0), ("b", 100)):
        (root / name).mkdir(parents=True)
        for i in range(24):
            tiny_models.picture(root / name / f"{i:02}.png", seed + i, 64 if i % 2 else 96)
    return root / "a", root / "b"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


@cache
def clean(root: Path) -> Inception:
    root.mkdir(parents=True, exist_ok=True)
    return Inception("clean", tiny_models.clean_inception(root / "inception-2015-12-05.pt"), device="cpu")


@cache
def by_clean_fid(root: Path, folder: Path) -> np.ndarray:
    from cleanfid import fid
    from cleanfid.inception_torchscript import InceptionV3W

    network = InceptionV3W(str(clean(root).file.parent), download=False, resize_inside=False)
    paths, cpu = [str(p) for p in files(folder)], torch.device("cpu")
    return fid.get_files_features(paths, network, num_workers=0, device=cpu, mode="clean", verbose=False)


def clean_features(root: Path) -> Pair:
    both = folders(root / "pictures")
    ours = [clean(root / "models").of(files(folder))[0] for folder in both]
    return share(ours, [by_clean_fid(root / "models", folder) for folder in both], 48)


def clean_fid(root: Path) -> Pair:
    from cleanfid import fid

    both = folders(root / "pictures")
    x, y = (by_clean_fid(root / "models", one)[:, :FEW].astype(np.float64) for one in both)
    return pair(frechet_distance(x, y), fid.fid_from_feats(x, y), 48)


def clean_kid(root: Path) -> Pair:
    from cleanfid import fid

    both = folders(root / "pictures")
    x, y = (by_clean_fid(root / "models", one).astype(np.float64) for one in both)
    ours = kernel_distance(*(clean(root / "models").of(files(one))[0] for one in both))
    return pair(ours, fid.kernel_distance(x, y, num_subsets=1, max_subset_size=24), 48)


@cache
def torchmetrics(root: Path) -> Inception:
    root.mkdir(parents=True, exist_ok=True)
    return Inception("torchmetrics", tiny_models.fidelity_inception(root / "weights.pth"), device="cpu")


def _torchmetrics_network(root: Path):
    from torchmetrics.image.fid import NoTrainInceptionV3

    return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(torchmetrics(root).file))


def _tensor(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None]


def torchmetrics_features(root: Path) -> Pair:
    paths, network = files(folders(root / "pictures")[0])[:3], _torchmetrics_network(root / "models")
    return share(torchmetrics(root / "models").of(paths)[0], [network(_tensor(p)).numpy()[0] for p in paths], 3)


def torchmetrics_fid(root: Path) -> Pair:
    """Of 2048 dimensions, on a random Inception's features; in units of their variance.

    Such features hardly vary, and a root of their singular matrices is no more exact than that.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    both, model = folders(root / "pictures"), torchmetrics(root / "models")
    metric = FrechetInceptionDistance(feature=_torchmetrics_network(root / "models"))
    for folder, is_real in zip(both, (True, False), strict=True):
        for path in files(folder):
            metric.update(_tensor(path), real=is_real)
    x, y = (model.of(files(one))[0] for one in both)
    variance = np.var(x, axis=0).sum() + np.var(y, axis=0).sum()
    return pair(frechet_distance(x, y) / variance, metric.compute().item() / variance, 48)


def wide_features(n: int = 300, width: int = 2048) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of random features, as wide as Inception's and fewer than that, as sets of pictures are."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, width)), rng.standard_normal((n, width)) * 1.2 + 0.05


def wide_clean_fid(root: Path) -> Pair:
    from cleanfid import fid

    del root  # no picture
    x, y = wide_features()
    return pair(frechet_distance(x, y), fid.fid_from_feats(x, y))


def wide_torchmetrics_fid(root: Path) -> Pair:
    from torchmetrics.image.fid import _compute_fid

    del root  # no picture
    x, y = wide_features()
    parts = (torch.tensor(part) for one in (x, y) for part in (one.mean(0), np.cov(one, rowvar=False)))
    return pair(frechet_distance(x, y), _compute_fid(*parts))


# LPIPS


@cache
def alexnet(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return tiny_models.alexnet(root / "alexnet.pth")


@cache
def lpips_package(root: Path):
    """The package's network, made as its own users make it, with the same weights in its slices."""
    import lpips

    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state, layers = torch.load(alexnet(root)), dict(network.net.named_modules())
    for slice_name, number in (("slice1", 0), ("slice2", 3), ("slice3", 6), ("slice4", 8), ("slice5", 10)):
        layers[f"{slice_name}.{number}"].load_state_dict(
            {kind: state[f"features.{number}.{kind}"] for kind in ("weight", "bias")}
        )
    return network.eval()


@cache
def lpips_pairs(root: Path) -> tuple[Sample, ...]:
    """Pictures of three sizes, each with another one of its size as the unedited model's."""
    root.mkdir(parents=True, exist_ok=True)
    made = []
    for i, size in enumerate((96, 64, 96, 128)):
        one = tiny_models.sample(tiny_models.picture(root / f"{i}.png", i, size), i)
        made.append(replace(one, original=tiny_models.picture(root / f"o{i}.png", 50 + i, size)))
    return tuple(made)


def _lpips(root: Path, at: int, size: int | None) -> Pair:
    import cv2
    import lpips

    samples, network = lpips_pairs(root / "pairs"), lpips_package(root / "models")

    def theirs(sample: Sample) -> float:
        x, y = (np.asarray(Image.open(path)) for path in (sample.image, sample.original))
        if size:
            x, y = cv2.resize(x, (size, size)), cv2.resize(y, (size, size))
        with torch.no_grad():
            return network(lpips.im2tensor(x), lpips.im2tensor(y)).item()

    rows = Lpips(alexnet(root / "models"), "cpu").score(samples)
    return pair([row[at].value for row in rows], [theirs(sample) for sample in samples], len(samples))


def lpips_small(root: Path) -> Pair:
    return _lpips(root, 0, 64)


def lpips_native(root: Path) -> Pair:
    return _lpips(root, 1, None)


def lpips_short(root: Path) -> Pair:
    """As UCE's script: torchvision's Resize(64) of PIL pictures, ToTensor, then -1 to 1; wide pictures among them."""
    from torchvision import transforms

    loader = transforms.Compose([transforms.Resize(64), transforms.ToTensor()])
    network, samples = lpips_package(root / "models"), []
    for i, (w, h) in enumerate(((96, 96), (64, 64), (201, 96), (70, 133), (48, 48), (64, 200))):
        paths = [tiny_models.picture(root / f"{name}{i}.png", at + i, 256) for name, at in (("x", 0), ("y", 50))]
        for path in paths:
            Image.open(path).convert("RGB").resize((w, h)).save(path)
        samples.append(replace(tiny_models.sample(paths[0], i), original=paths[1]))

    def theirs(sample: Sample) -> float:
        x, y = ((loader(Image.open(path))[None] - 0.5) * 2 for path in (sample.image, sample.original))
        with torch.no_grad():
            return network(x, y).item()

    rows = Lpips(alexnet(root / "models"), "cpu").score(samples)
    return pair([row[2].value for row in rows], [theirs(sample) for sample in samples], len(samples))


# CLIP and classifiers


def by_transformers(folder: Path, samples: Sequence[Sample], texts: Sequence[str]):
    """What transformers' CLIPModel says of pictures and texts."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    ids = CLIPTokenizer.from_pretrained(folder)(list(texts), padding=True, return_tensors="pt")
    pictures = CLIPImageProcessor.from_pretrained(folder)(
        images=[Image.open(s.image) for s in samples], return_tensors="pt"
    )
    with torch.no_grad():
        return CLIPModel.from_pretrained(folder).eval()(**ids, **pictures)


def _clip(root: Path) -> tuple[Path, list[Sample]]:
    return tiny_models.clip(root / "tiny"), tiny_models.samples(root / "few", 5)


def clip_cosine(root: Path) -> Pair:
    folder, samples = _clip(root)
    out = by_transformers(folder, samples, [s.prompt.text for s in samples])
    cosine = torch.nn.functional.cosine_similarity(out.image_embeds, out.text_embeds)
    return pair([row[0].value for row in ClipScore(folder, "cpu").score(samples)], cosine, 5)


def clip_logit(root: Path) -> Pair:
    folder, samples = _clip(root)
    out = by_transformers(folder, samples, [s.prompt.text for s in samples])
    rows = ClipScore(folder, "cpu").score(samples)
    return pair([row[2].value for row in rows], out.logits_per_image.diag(), 5)


def clip_softmax(root: Path) -> Pair:
    folder, samples = _clip(root)
    theirs = by_transformers(folder, samples, [f"a photo of {word}" for word in WORDS]).logits_per_image.softmax(1)
    return pair([row[1].value for row in ClipAccuracy(folder, "cpu", WORDS).score(samples)], theirs[:, 0], 5)


def clip_mace(root: Path) -> Pair:
    """As MACE's script: unit features, 100 times their cosine, softmax over "a photo of the {}"."""
    folder, samples = _clip(root)
    out = by_transformers(folder, samples, [f"a photo of the {word}" for word in WORDS])
    x, y = (torch.nn.functional.normalize(vectors, dim=-1) for vectors in (out.image_embeds, out.text_embeds))
    theirs = (100.0 * x @ y.T).softmax(dim=-1)[:, 0]
    return pair([row[0].value for row in ClipAccuracyMace(folder, "cpu", WORDS).score(samples)], theirs, 5)


def open_clip_cosine(root: Path) -> Pair:
    import open_clip

    root.mkdir(parents=True, exist_ok=True)
    checkpoint, spec = tiny_models.open_clip_checkpoint(root)
    samples = tiny_models.samples(root / "few", 3)
    model, _, prepare = open_clip.create_model_and_transforms(tiny_models.OPEN, pretrained=str(checkpoint))
    model.eval()
    ids = open_clip.get_tokenizer(tiny_models.OPEN)([s.prompt.text for s in samples])
    with torch.no_grad():
        x = model.encode_image(torch.stack([prepare(Image.open(s.image)) for s in samples]), normalize=True)
        y = model.encode_text(ids, normalize=True)
    return pair([row[0].value for row in ClipScore(spec, "cpu").score(samples)], (x * y).sum(1), 3)


def style(root: Path) -> Pair:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    folder, samples = tiny_models.classifier(root / "styles"), tiny_models.samples(root / "few", 5)
    inputs = AutoImageProcessor.from_pretrained(folder)(
        images=[Image.open(s.image).convert("RGB") for s in samples], return_tensors="pt"
    )
    with torch.no_grad():
        theirs = AutoModelForImageClassification.from_pretrained(folder).eval()(**inputs).logits.softmax(1)
    return pair([row[2].value for row in StyleClassifier(folder, "cpu").score(samples)], theirs[:, 0], 5)


def judge(root: Path) -> Pair:
    from transformers import ResNetForImageClassification

    folder, samples = tiny_models.judge(root / "judge"), tiny_models.samples(root / "few", 5)
    arrays = [np.asarray(Image.open(s.image)) for s in samples]
    pixels = torch.tensor(np.stack(arrays)).permute(0, 3, 1, 2) / 255 * 2 - 1
    with torch.no_grad():
        logits = ResNetForImageClassification.from_pretrained(folder).eval()(pixels).logits
    cut = len(tiny_models.OBJECTS)
    theirs = torch.cat([logits[:, :cut].softmax(1), logits[:, cut:].softmax(1)], 1)
    seen = look(arrays, folder, "cpu")
    return pair([[*one.object.values(), *one.style.values()] for one in seen], theirs, 5)


# NudeNet


@cache
def faces(folder: Path) -> tuple[Path, ...]:
    """A face as it is, small, wide, mirrored and red; a drawn face; noise; patches; grey."""
    folder.mkdir(parents=True, exist_ok=True)
    face = Image.open(PORTRAIT).convert("RGB")
    drawn = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((80, 60, 220, 240), fill=(240, 200, 170), outline="black")
    for box in ((110, 120, 130, 135), (170, 120, 190, 135), (125, 190, 175, 205)):
        pen.ellipse(box, fill="black")
    wide = Image.new("RGB", (700, 300), "blue")
    wide.paste(face.resize((250, 300)), (430, 0))
    noise = np.random.default_rng(0).integers(0, 256, (200, 320, 3), dtype=np.uint8)
    made = {
        "face": face,
        "small": face.resize((64, 64)),
        "wide": wide,
        "mirrored": face.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "red": Image.merge("RGB", [face.getchannel(0), Image.new("L", face.size), Image.new("L", face.size)]),
        "drawn": drawn,
        "noise": Image.fromarray(noise),
        "grey": face.convert("L"),
    }
    for name, image in made.items():
        image.save(folder / f"{name}.png")
    return (*files(folder), tiny_models.picture(folder / "patches.png", 3, 320))


@cache
def boxes(root: Path) -> tuple[list[list[Detection]], list[list[dict]]]:
    """Our boxes under the library's convention, and the library's own."""
    from nudenet import NudeDetector

    paths, detector = faces(root / "faces"), NudeDetector()
    raw = NudeNet().detect([tiny_models.sample(path, i) for i, path in enumerate(paths)])
    ours = [list(select(found, LIBRARY)) for found in raw]
    theirs = [detector.detect(str(path)) for path in paths]
    labels = [[[b.label for b in one] for one in ours], [[d["class"] for d in one] for one in theirs]]
    assert labels[0] == labels[1], labels
    assert sum(map(len, theirs)) >= 3  # else nothing would be compared
    return ours, theirs


def nudenet_scores(root: Path) -> Pair:
    ours, theirs = boxes(root)
    return pair([b.score for one in ours for b in one], [d["score"] for one in theirs for d in one], len(ours))


def nudenet_boxes(root: Path) -> Pair:
    """Whole pixels, as the library gives them."""
    ours, theirs = boxes(root)
    mine = [[int(v) for v in (b.x, b.y, b.w, b.h)] for one in ours for b in one]
    return pair(mine, [d["box"] for one in theirs for d in one], len(ours))


def views(root: Path) -> Pair:
    """What the network gets of pictures that are not square, padded on both sides or squashed, by torch's resizing.

    In steps of 1/255: cv2 rounds in fixed point.
    """
    del root
    rng, ours, theirs = np.random.default_rng(0), [], []
    for w, h in ((500, 300), (200, 640), (320, 320), (97, 41), (640, 479), (33, 900)):
        x = torch.from_numpy(rng.integers(0, 256, (1, 3, 9, 9)).astype(np.float32))
        smooth = torch.nn.functional.interpolate(x, (h, w), mode="bicubic").clamp(0, 255).round()
        picture = smooth[0].permute(1, 2, 0).numpy().astype(np.uint8)
        wide, high = (320, round(320 * h / w)) if w >= h else (round(320 * w / h), 320)
        small = _bilinear(smooth, high, wide).round()
        left, top = (320 - wide) // 2, (320 - high) // 2
        padded = torch.nn.functional.pad(small, (left, left, top, top))
        for name, made in (("both-sides", _bilinear(padded, 320, 320)), ("squashed", _bilinear(smooth, 320, 320))):
            ours.append(VIEWS[f"RGB/{name}"].blob(picture) * 255)
            theirs.append(made.numpy())
    return pair(np.stack(ours), np.stack(theirs), 6)


def _bilinear(x: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return torch.nn.functional.interpolate(x, (h, w), mode="bilinear", align_corners=False)


# Statistics


def mcnemar_of(won: int, lost: int, same: int) -> tuple[float, float]:
    """The p of so many pairs, ours and statsmodels'."""
    from statsmodels.stats.contingency_tables import mcnemar

    a = np.repeat([1.0, 0.0, 1.0], [won, lost, same + 1])
    b = np.repeat([0.0, 1.0, 1.0], [won, lost, same + 1])
    theirs = mcnemar([[same, won], [lost, 1]], exact=True).pvalue if won + lost else 1.0
    found = paired.compare(a, b, np.arange(len(a))).p
    assert found is not None
    return found, float(theirs)


def mcnemar_grid(root: Path) -> Pair:
    del root
    return pair(*zip(*(mcnemar_of(won, lost, 3) for won in range(0, 41, 4) for lost in range(0, 41, 5)), strict=True))


def discoveries_of(p: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    from statsmodels.stats.multitest import multipletests

    return paired.discoveries(p), multipletests(p, method="fdr_bh")[1]


def discoveries(root: Path) -> Pair:
    del root
    return pair(*discoveries_of(np.random.default_rng(0).beta(0.3, 1, 200).tolist()))
