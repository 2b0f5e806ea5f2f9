"""The values and protocols everything else is made of. Standard library only."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from dumo_bench.citation import Paper
from dumo_bench.errors import Misdeclared

if TYPE_CHECKING:
    from torch import Tensor

Role: TypeAlias = Literal["target", "related", "unrelated", "attack"]
#: the sets that numbers are given of, and the roles of their pictures
SETS: Mapping[str, tuple[Role, ...]] = {
    **{role: (role,) for role in get_args(Role)},
    "kept": ("related", "unrelated"),
}


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """One text for equal values: JSON with sorted keys and no spaces."""
    return _CANONICAL.encode(value)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


#: apostrophes as they are typed and printed; variation selectors, which a text need not have
_PRINTED = {
    **dict.fromkeys(map(ord, "`\u00b4\u2018\u2019\u201b\u02b9\u02bc\u2032"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033"), '"'),
    **dict.fromkeys(range(0xFE00, 0xFE10), ""),
}


@lru_cache(maxsize=65536)
def spelt(concept: str) -> str:
    """One text for concepts that differ only in case, blanks, dashes, apostrophes, Unicode form or what is not seen.

    Folding can undo a form, and a form can be made of others: hence twice.
    """
    if concept.isascii() and concept.isprintable():
        return " ".join(concept.replace("`", "'").lower().split())
    for _ in range(2):
        concept = "".join(map(_seen, concept.translate(_PRINTED)))
        concept = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", concept).casefold())
    return " ".join(concept.split())


def _seen(char: str) -> str:
    """A character as it is compared: every dash is one, and what has neither shape nor width is nothing."""
    kind = unicodedata.category(char)
    return "-" if kind == "Pd" else "" if kind in ("Cc", "Cf") and not char.isspace() else char


@dataclass(frozen=True, slots=True)
class Draw:
    """The `index`-th of `of` latents drawn one after another from one generator seeded `seed`."""

    seed: int
    index: int = 0
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What an attack sets in the place of what a text and noise alone would give; what is None is as without it.

    embedding (v, d): the vectors of the text's marks (`hosts.starts.MARK`), in order. The others have an entry for each
    of a prompt's n draws, by its index. latents (n, c, h, w): those before step `step`, from 0. picture (n, c, h, w):
    clean latents that stand outside `hole` (h, w), which is 1 where something is drawn. eta (n,): the share of the
    noise of DDPM that each step adds; scale (n,): how much of it.
    """

    embedding: Tensor | None = None
    latents: Tensor | None = None
    step: int = 0
    picture: Tensor | None = None
    hole: Tensor | None = None
    eta: Tensor | None = None
    scale: Tensor | None = None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What it sets, by name."""
        named = ("embedding", "latents", "picture", "hole", "eta", "scale")
        return {name: value for name in named if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of a suite.

    `concept` is what the row is counted under. `shows` says what its picture should show, for classifiers:
    {"object": "dog", "style": "noto"}; what the text leaves open is absent. `start` is the hash of a starting point.
    """

    id: str
    text: str
    concept: str
    draws: tuple[Draw, ...]
    guidance: float | None = None
    height: int | None = None
    width: int | None = None
    role: Role | None = None
    shows: Mapping[str, str] = field(default_factory=dict)
    start: str = ""


#: names of samplers; `hosts.samplers` defines them, and `hosts.flows` those of flow models
SCHEDULERS = ("ddim", "dpm++", "dpm++-linspace", "euler", "flow-euler", "flow-euler-trained", "lms", "pndm")


@dataclass(frozen=True)
class Sampling:
    """The sampling contract: pictures made under different contracts are never compared silently.

    scheduler: one of SCHEDULERS. sampler: its whole definition (`hosts.samplers`), which the plan fills in.
    """

    model: str
    scheduler: str
    steps: int
    guidance: float
    height: int
    width: int
    revision: str = ""
    negative: str = ""
    noise: Literal["cpu", "cuda"] = "cpu"
    dtype: str = "float32"
    sampler: str = ""

    @property
    def key(self) -> str:
        return digest(asdict(self))[:12]

    @cached_property
    def text(self) -> str:
        """Its canonical JSON; kept, for every job under it is named by it."""
        return canonical(asdict(self))


@dataclass(frozen=True, slots=True)
class Case:
    """One erasure of a suite. `task`: what kind of thing goes, where it is not what the suite says; "": it is."""

    name: str
    erase: tuple[str, ...]
    task: str = ""


#: threat models whose attack sees the edit, so that each edit is searched on its own
WHITE_BOX = ("erased model", "both models")


@dataclass(frozen=True, slots=True)
class Search:
    """How an attack found what a suite holds. sees: its threat model. settings: canonical JSON; words where another
    program found it, and in files of earlier versions.

    method, edit: whose edit it saw, and the key of its recipe; "": none. model: the hash of the unedited weights.
    texts, forwards, seconds: what the search of a prompt cost, in the mean, as in `Found`.
    """

    attack: str
    version: str
    sees: str
    settings: str
    seed: int
    method: str
    edit: str
    model: str
    texts: int = 0
    forwards: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Suite:
    """Prompts, the erasures to try on them, and how to sample. `related` maps a concept to its neighbours, `implied` to
    what prompts say in its place: those are targets of a case that erases it."""

    name: str
    version: int
    source: str
    licence: str
    cases: tuple[Case, ...]
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    related: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    explicit: bool = False  # explicit texts are shown by id, pictures blurred
    task: str = "object"  # what kind of thing is erased: a method may have a preset for it (`by_task`)
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # concept -> how else the file writes it
    papers: tuple[Paper, ...] = ()  # what who uses it has to cite; no part of its content
    scorers: tuple[str, ...] = ()  # what measures it where nothing else is asked for; (): by its task
    implied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    search: Search | None = None  # how an attack found it; None: it is no attack's

    @property
    def label(self) -> str:
        """The name with the number of prompts, once: "artist-100", "i2p-4703", "coco-30k"."""
        n = len(self.prompts)
        return self.name if self.name.endswith((f"-{n}", f"-{n / 1000:g}k")) else f"{self.name}-{n}"

    def role(self, case: Case, prompt: Prompt) -> Role:
        """What a prompt is to an erasure; a role written on the prompt wins."""
        return self.role_of(case)(prompt)

    def role_of(self, case: Case) -> Callable[[Prompt], Role]:
        """What any prompt is to an erasure, looked up once for all of them."""
        gone = {spelt(concept) for concept in case.erase}
        near, meant = (
            {spelt(word) for concept, every in of.items() if spelt(concept) in gone for word in every}
            for of in (self.related, self.implied)
        )

        def role(prompt: Prompt) -> Role:
            if prompt.role is not None:
                return prompt.role
            own = spelt(prompt.concept)
            return "target" if own in gone | meant else "related" if own in near else "unrelated"

        return role


SHOWN = "shown"  # among a recipe's params: the names of those that stand in every table, whatever other rows have
BASE = "base"  # among them too: the recipe, whatever its seed, of the edit that this one is learnt on top of
ADAPTATION = "adaptation"  # among them too, "ours": how the method works on this kind of model is in no paper


@dataclass(frozen=True)
class Recipe:
    """Everything that determines an edit. `model` is the host's content hash, not its name."""

    method: str
    version: str
    params: Mapping[str, Any]
    erase: tuple[str, ...]
    fit_seed: int
    model: str

    @cached_property
    def key(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def text(self) -> str:
        """Its canonical JSON; kept, for every job of it is named by it."""
        return canonical(asdict(self))


@dataclass(frozen=True, slots=True)
class Edit:
    """What a method learnt: named tensors and a JSON-able header."""

    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One picture, completely named. `sampling` carries the row's own guidance and size, resolved.

    start: the hash of the starting point that an attack has set; "": text and noise alone.
    """

    recipe: Recipe
    text: str
    draw: Draw
    sampling: Sampling
    start: str = ""

    @cached_property
    def key(self) -> str:
        """`digest` of all its fields that are not empty, put together from the texts of what many jobs share."""
        draw = f'{{"index":{self.draw.index},"of":{self.draw.of},"seed":{self.draw.seed}}}'
        shared = f'"recipe":{self.recipe.text},"sampling":{self.sampling.text}'
        shared += f',"start":{canonical(self.start)}' if self.start else ""
        text = f'{{"draw":{draw},{shared},"text":{canonical(self.text)}}}'
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of a suite with its finished picture; `original` is the unedited model's for the same job."""

    job: Job
    prompt: Prompt
    draw: Draw
    case: Case
    role: Role
    image: Path
    original: Path | None = None


Better: TypeAlias = Literal["higher", "lower", "neither"]
Kind: TypeAlias = Literal["rate", "count", "mean", "set"]
ATTACKED = "-attacked"  # ends the id of a prompt that an attack found; before it stands that of the plain prompt
Made: TypeAlias = Literal["ua", "acc_e", "acc_g", "h_c", "h_o", "hm", "h_a", "da"]  # numbers that are made of metrics
MADE: tuple[Made, ...] = get_args(Made)
Measures: TypeAlias = Literal["", "asked", "erased", "present", "fit", "distance"]
#: what it measures -> which way is better on prompts that are to be kept, and on those whose concept is to go
MEASURES: Mapping[Measures, tuple[Better, Better] | None] = {
    "": None,
    "asked": ("higher", "lower"),
    "erased": ("lower", "lower"),
    "present": ("lower", "lower"),
    "fit": ("higher", "lower"),
    "distance": ("lower", "higher"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a scorer gives, and what may be made of it. Tables keep it, so they are whole without the scorer.

    name: states its convention, as lpips_alex_64_cv2 does. unit: in words.
    better: on prompts that are to be kept and on sets. on_targets: on prompts whose concept is to go; "": by what it
    measures, else as `better`.
    kind: "rate" is 0 or 1 a picture, "count" a whole number a picture, "mean" any other number a picture, "set" one
    number of a set of pictures. It decides which interval and which test hold.
    measures: what is made of it. "asked": whether what the prompt asks for is recognised; "erased": whether a concept
    that the case erases is (UA, Acc_e and Acc_g are made of its rate); "present": whether something is that prompts
    need not ask for, nudity for one; "fit": how well the picture fits its text (H_a); "distance": how far it is from
    the unedited model's picture (its difference between targets and kept prompts is made); "": nothing is.
    sees: of "asked", whether it recognises objects or styles; on targets of a case that erases the other, more of it
    is better. "": whatever the prompt asks for.
    partner: of "asked", the metric of the same scorer that measures "erased": H_c and H_o are made of the two, which
    are rates or means of probabilities.
    copy_of: the metric that this is in another unit; part_of: the metric that this is a part of. Neither is tested
    for itself.
    held_out: of what recognises things, the share that it recognises of pictures from a source that its training never
    saw; None: not measured.
    title: what tables call it, by default its name. digits: behind the point in tables.
    convention: what else it was made with and others are not, such as {"order": "RGB"}.
    """

    name: str
    unit: str
    better: Better
    on_targets: Better | Literal[""] = ""
    kind: Kind = "mean"
    measures: Measures = ""
    sees: Literal["", "object", "style"] = ""
    partner: str = ""
    copy_of: str = ""
    part_of: str = ""
    held_out: float | None = None
    title: str = ""
    digits: int = 2
    convention: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if problem := self._wrong_type() or self._wrong_choice() or self._contradiction():
            raise Misdeclared(f"metric {self.name!r}: {problem}")

    def _wrong_type(self) -> str:
        texts = {name: getattr(self, name) for name in ("name", "unit", "partner", "copy_of", "part_of", "title")}
        for name, text in texts.items():
            if not isinstance(text, str):
                return f"{name} has to be a text, got {text!r}"
        if not self.name:
            return "a metric needs a name"
        if type(self.digits) is not int or not 0 <= self.digits <= 10:
            return f"digits has to be a whole number from 0 to 10, got {self.digits!r}"
        if self.held_out is not None and not (type(self.held_out) is float and 0 <= self.held_out <= 1):
            return f"held_out has to be a share from 0.0 to 1.0 or None, got {self.held_out!r}"
        return ""

    def _wrong_choice(self) -> str:
        choices = {"better": get_args(Better), "on_targets": ("", *get_args(Better)), "kind": get_args(Kind),
                   "measures": get_args(Measures), "sees": ("", "object", "style")}  # fmt: skip
        for name, among in choices.items():
            if getattr(self, name) not in among:
                return f"{name} is one of {', '.join(map(repr, among))}, got {getattr(self, name)!r}"
        return ""

    def _contradiction(self) -> str:
        implied = MEASURES[self.measures]
        if implied and implied[0] != self.better:
            return f"it measures {self.measures!r}, of which {implied[0]} is better, not {self.better}"
        if self.measures != "asked" and (self.sees or self.partner):
            return '`sees` and `partner` are of a metric that measures "asked"'
        return ""

    @property
    def header(self) -> str:
        return self.title or self.name

    def way(self, role: str, erases: str = "") -> Better:
        """Which way is better on prompts of a role, in a case that erases such a kind of thing."""
        if role not in ("target", "attack"):
            return self.better
        if self.on_targets:
            return self.on_targets
        implied = MEASURES[self.measures]
        if implied is None:
            return self.better
        if self.sees and self.sees != erases:
            return self.better if erases in ("object", "style") else "neither"
        return implied[1]


@dataclass(frozen=True, slots=True)
class Found:
    """A prompt that an attack found, and where its pictures start, if not with noise alone. measured: what its search
    ended with. draws: of the prompt; 0: as many as are asked for.

    What it cost: texts, that the text encoder read; forwards, rows through a network, of which one with its gradient
    counts as three; seconds, which whoever runs the search measures.
    """

    text: str
    measured: Mapping[str, float] = field(default_factory=dict)
    texts: int = 0
    forwards: int = 0
    seconds: float = 0.0
    start: Start | None = None
    draws: int = 0


Reason: TypeAlias = Literal["not asked", "cannot judge", "unreadable", "no reference", "too few pictures", "failed"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Score:
    """One measured number. None is "not measured"; `reason` says why to the program, the note to people.

    "not asked": the prompt or the case asks nothing of the scorer; "cannot judge": the scorer does not know the
    concept; "unreadable": the picture cannot be read; "no reference": what it is compared with is missing; "too few
    pictures": a set that is too small; "failed": anything else.
    """

    metric: str
    value: float | None
    note: str = ""
    reason: Reason | Literal[""] = ""

    def __post_init__(self) -> None:
        if self.value is None and not (self.note and self.reason in REASONS):
            raise ValueError(
                f"{self.metric}: a missing value needs a note that says why, and one of the reasons "
                f"{', '.join(map(repr, REASONS))}; got {self.note!r}, {self.reason!r}"
            )


@dataclass(frozen=True, slots=True)
class SetScore(Score):
    """A number of a set of pictures: how many it is of, how many could not be read, and its 95 % interval if any.

    `lost`: how many reference pictures could not be read; the number has to be measured again.
    """

    n: int = 0
    n_missing: int = 0
    low: float | None = None
    high: float | None = None
    how: str = ""
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Detection:
    """One box: score in 0..1, x, y, w, h in pixels of the picture."""

    label: str
    score: float
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a batch is conditioned on.

    texts (B); ids (B, 77) long; cond and uncond (B, rows, d), 77 rows where a U-Net is told of one text tower's states;
    guidance (B,). Made once from the conditional prompts, so that a gate cannot see the empty one.
    """

    texts: tuple[str, ...]
    ids: Tensor
    cond: Tensor
    uncond: Tensor
    guidance: Tensor


class Denoiser(Protocol):
    """The estimate (B, c, h, w) after guidance, of scaled latents z at timestep t: of the noise, or of the velocity."""

    def __call__(self, z: Tensor, t: Tensor) -> Tensor: ...


Guide: TypeAlias = Callable[[Conditions], Denoiser]
