"""The values and protocols everything else is made of. Standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, get_args, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from dumo_bench.hosts.sd import Host

Role: TypeAlias = Literal["target", "related", "unrelated", "attack"]
#: the sets that numbers are given of, and the roles of their pictures
SETS: Mapping[str, tuple[Role, ...]] = {
    **{role: (role,) for role in get_args(Role)},
    "kept": ("related", "unrelated"),
}


def canonical(value: Any) -> str:
    """One text for equal values: JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Draw:
    """The `index`-th of `of` latents drawn one after another from one generator seeded `seed`."""

    seed: int
    index: int = 0
    of: int = 1


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of a suite.

    `concept` is what the row is counted under. `shows` says what its picture should show, for classifiers:
    {"object": "dog", "style": "noto"}; what the text leaves open is absent.
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


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampling contract: pictures made under different contracts are never compared silently."""

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

    @property
    def key(self) -> str:
        return digest(asdict(self))[:12]


@dataclass(frozen=True, slots=True)
class Case:
    """One erasure of a suite. `task`: what kind of thing goes, where it is not what the suite says; "": it is."""

    name: str
    erase: tuple[str, ...]
    task: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Prompts, the erasures to try on them, and how to sample. `related` maps a concept to its neighbours."""

    name: str
    version: int
    source: str
    licence: str
    cases: tuple[Case, ...]
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    related: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reference: str = "original"
    explicit: bool = False  # explicit texts are shown by id, pictures blurred
    task: str = "object"  # what kind of thing is erased: a method may have a preset for it (`by_task`)

    @property
    def label(self) -> str:
        """The name with the number of prompts, once: "artist-100", "i2p-4703", "coco-30k"."""
        n = len(self.prompts)
        return self.name if self.name.endswith((f"-{n}", f"-{n / 1000:g}k")) else f"{self.name}-{n}"

    def role(self, case: Case, prompt: Prompt) -> Role:
        """What a prompt is to an erasure; a role written on the prompt wins."""
        if prompt.role is not None:
            return prompt.role
        if prompt.concept in case.erase:
            return "target"
        near = {neighbour for concept in case.erase for neighbour in self.related.get(concept, ())}
        return "related" if prompt.concept in near else "unrelated"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines an edit. `model` is the host's content hash, not its name."""

    method: str
    version: str
    params: Mapping[str, Any]
    erase: tuple[str, ...]
    fit_seed: int
    model: str

    @property
    def key(self) -> str:
        return digest(asdict(self))


@dataclass(frozen=True, slots=True)
class Edit:
    """What a method learnt: named tensors and a JSON-able header."""

    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One picture, completely named. `sampling` carries the row's own guidance and size, resolved."""

    recipe: Recipe
    text: str
    draw: Draw
    sampling: Sampling

    @property
    def key(self) -> str:
        return digest(asdict(self))


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


@dataclass(frozen=True, slots=True)
class Score:
    """One measured number. None is "not measured", and the note says why."""

    metric: str
    value: float | None
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.note:
            raise ValueError(f"{self.metric}: a missing value needs a note that says why")


NO_REFERENCE = "reference pictures could not be read"  # in the note of a set that has to be measured again


@dataclass(frozen=True, slots=True)
class SetScore(Score):
    """A number of a set of pictures: how many it is of, how many could not be read, and its 95 % interval if any."""

    n: int = 0
    n_missing: int = 0
    low: float | None = None
    high: float | None = None
    how: str = ""


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

    texts (B); ids (B, 77) long; cond and uncond (B, 77, d); guidance (B,). Made once from the conditional prompts,
    so that a gate cannot see the empty one.
    """

    texts: tuple[str, ...]
    ids: Tensor
    cond: Tensor
    uncond: Tensor
    guidance: Tensor


class Denoiser(Protocol):
    """The noise estimate (B, c, h, w) after guidance, of scaled latents z at timestep t, the `step`-th of the loop."""

    def __call__(self, z: Tensor, t: Tensor, step: int) -> Tensor: ...


Guide: TypeAlias = Callable[[Conditions], Denoiser]


@runtime_checkable
class Method(Protocol):
    """An eraser. Its hyperparameters are the fields of a frozen dataclass."""

    name: ClassVar[str]
    version: ClassVar[str]
    cite: ClassVar[str]
    needs: ClassVar[frozenset[str]]

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        """Learn to erase; the host is left bit for bit as it was."""

    def apply(self, host: Host, edit: Edit) -> AbstractContextManager[Guide]:
        """Sample with the edit inside the `with`; its exit restores the host bit for bit."""


class _Scored(Protocol):
    name: ClassVar[str]
    version: ClassVar[str]
    cite: ClassVar[str]
    higher_is_better: ClassVar[Mapping[str, bool | None]]  # metric -> direction; None: neither


@runtime_checkable
class Scorer(_Scored, Protocol):
    """Scores of single pictures."""

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        """One sequence of scores a sample, in order, whatever the batch."""


@runtime_checkable
class SetScorer(_Scored, Protocol):
    """Scores of a set of pictures, against `reference` pictures where the metric needs some."""

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]: ...


@runtime_checkable
class Detector(_Scored, Protocol):
    """Detections, which are stored, and verdicts, which are queries over them."""

    order: ClassVar[str]
    floor: ClassVar[float]

    @property
    def weights(self) -> str:
        """File and sha256 of the network, and the package that it is from."""

    def detect(self, samples: Sequence[Sample]) -> Sequence[Sequence[Detection] | Score]:
        """The boxes of each picture, or the Score(None, note) of one that could not be read."""

    def judge(self, found: Sequence[Detection]) -> Sequence[Score]: ...
