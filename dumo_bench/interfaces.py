"""Everything that can be extended, with every hook and its default.

A plugin is a frozen dataclass that inherits one of these classes; its settings are its fields. The hooks below are all
that the program asks of it; a public attribute that is nearly called like a hook is refused when the plugin is loaded.
Entry-point groups: `dumo_bench.methods` (Method), `dumo_bench.scorers` (Scorer, SetScorer, Detector),
`dumo_bench.attacks` (Attack).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from dumo_bench.citation import Paper
from dumo_bench.types import MADE, Detection, Edit, Found, Guide, Metric, Sample, Sampling, Score, SetScore, Suite

if TYPE_CHECKING:
    from typing import Self

    from dumo_bench.hosts.sd import Host


class Plugin(ABC):
    """What every plugin says of itself."""

    name: ClassVar[str]
    version: ClassVar[str]  # a number that changes gets a new one
    cite: ClassVar[str]
    papers: ClassVar[tuple[Paper, ...]] = ()  # what who uses it has to cite, as `dumo-bench cite` prints it
    bounds: ClassVar[Mapping[str, str]] = {}  # field -> the interval that its number must lie in, "[0, 1)"
    takes: ClassVar[str] = ""  # the field that `name@value` sets


class Method(Plugin):
    """An eraser."""

    kinds: ClassVar[frozenset[str]] = frozenset({"sd"})  # of models that it knows, see `hosts.kinds`; none: all
    needs: ClassVar[frozenset[str]] = frozenset()  # what else the model must have: see `hosts.models.has`
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # object, style, explicit -> settings for such a case
    by_kind: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # of models -> settings on top, its published variant
    ours: ClassVar[frozenset[str]] = frozenset()  # kinds that no paper of it treats: every table says so
    tables: ClassVar[tuple[str, ...]] = ()  # of a model's plans.toml that it reads, no others: `hosts.plans`
    lists: ClassVar[Mapping[str, Mapping[str, str]]] = {}  # task -> published lists to preserve: see `run.given`
    shown: ClassVar[tuple[str, ...]] = ()  # what of `identity` stands in every table, also if no row differs in it
    after_fit: ClassVar[frozenset[str]] = frozenset()  # fields that act on what was learnt: see `finished`

    @abstractmethod
    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        """Learn to erase; the host is left bit for bit as it was."""

    @contextmanager
    def _swapped(self, host: Host, edit: Edit) -> Iterator[Guide]:
        from dumo_bench.hosts.sd import edited, stock_guide

        with edited(host, edit):
            yield partial(stock_guide, host)

    def apply(self, host: Host, edit: Edit) -> AbstractContextManager[Guide]:
        """Sample with the edit inside the `with`; its exit restores the host bit for bit.

        By default the edit's tensors take the place of the weights that they are named after.
        """
        return self._swapped(host, edit)

    def parts(self, host: Host, erase: Sequence[str]) -> Sequence[Sequence[str]]:
        """The groups of concepts that are fitted one by one and then joined; by default one group of all."""
        del host
        return [erase]

    def finished(self, host: Host, learnt: Edit) -> Edit:
        """This method's edit, of the one that was learnt with the fields of `after_fit` at their defaults.

        It is what `fit` would give, bit for bit, so that one fit serves every value of them. By default the same edit:
        the fields are read by `apply`.
        """
        del host
        return learnt

    def join(self, edits: Sequence[Edit]) -> Edit:
        """One edit of the edits of all `parts`; asked only where there are several."""
        raise NotImplementedError(
            f"{type(self).__name__}.parts gives several groups: `join` has to make one edit of them"
        )

    def identity(self) -> Mapping[str, Any]:
        """What a recipe says of the settings: all of them, unless some (a path) do not say what they stand for."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]


class Interpolated(Method):
    """An eraser whose edit replaces weights, and whose `strength` is how much of the way to them is gone."""

    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    strength: float

    def finished(self, host: Host, learnt: Edit) -> Edit:
        from dumo_bench.hosts.sd import interpolated

        return Edit(interpolated(host, learnt.tensors, self.strength), learnt.header)


Keep: TypeAlias = Callable[[Mapping[str, Any], Edit], object]


class Sequel(Method):
    """What is learnt on top of another method's edit: `of` names it, `of_set` has its settings, as --set takes them."""

    of: str
    of_set: tuple[str, ...]
    inner: Method  # the method of that name
    teaches: ClassVar[bool] = False  # whether `fit_on` fits the inner method, with the model's own numbers for that

    def over(self, inner: Method) -> Self:
        """The same on top of that method."""
        made = dataclasses.replace(self)  # type: ignore[type-var]
        object.__setattr__(made, "inner", inner)
        return made

    def base(self, erase: Sequence[str]) -> tuple[Method, Sequence[str]]:
        """Whose edit, of which concepts, it is learnt on; by default the inner method's of the same."""
        return self.inner, erase

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        method, concepts = self.base(erase)
        return self.fit_on(
            host, method.fit(host, concepts, seed=seed), erase, seed=seed, keep=lambda change, edit: None
        )

    @abstractmethod
    def fit_on(self, host: Host, under: Edit, erase: Sequence[str], *, seed: int, keep: Keep) -> Edit:
        """Learn on top of the base's edit; the host, which is without it, is left bit for bit as it was.

        keep: called with what this method would have learnt with other settings, such as fewer steps, and with these.
        """


class _Scoring(Plugin):
    """What scorers of pictures, of sets and detectors have in common."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """The numbers that it gives, each once for every picture or set."""

    @property
    def label(self) -> str:
        """Name and hash of the weights; "" where there are none."""
        return ""

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return None

    def for_suite(self, suite: Suite) -> Self:
        """This scorer with what it has to know of a suite, such as the concepts that it chooses among."""
        del suite
        return self

    def cannot_judge(self, suite: Suite) -> Sequence[str]:
        """The words of a suite that it asks about and does not know, for `plan`; loads nothing."""
        del suite
        return ()


def problems(metrics: Sequence[Metric], *, of_sets: bool) -> str | None:
    """What is wrong with the metrics that a scorer of pictures or of sets declares, in one line; None if nothing is."""
    if not (isinstance(metrics, tuple) and metrics and all(isinstance(one, Metric) for one in metrics)):
        return f"`metrics` has to be a tuple of one Metric or more, got {metrics!r}"
    names = [metric.name for metric in metrics]
    if twice := next((name for name in names if names.count(name) > 1), None):
        return f"{twice!r} is declared twice; give each metric a name of its own"
    for metric in metrics:
        if (last := metric.name.rpartition(".")[2]) in (*MADE, "change"):
            return f"{metric.name}: names that end in .{last} are of numbers that are made of metrics; choose another"
        if (metric.kind == "set") != of_sets:
            wanted = 'kind="set"' if of_sets else 'kind="rate", "count" or "mean"'
            return f"{metric.name}: a scorer of {'sets' if of_sets else 'pictures'} has {wanted}, got {metric.kind!r}"
    erased = {metric.name for metric in metrics if metric.measures == "erased"}
    found = (_refers(metric, set(names), erased) for metric in metrics)
    return next((problem for problem in found if problem), None)


def _refers(metric: Metric, names: set[str], erased: set[str]) -> str | None:
    """Which other metric of its scorer a metric names in vain."""
    if metric.partner and metric.partner not in erased:
        return f'{metric.name}: partner={metric.partner!r} has to be a metric of this scorer that measures "erased"'
    for field, other in (("copy_of", metric.copy_of), ("part_of", metric.part_of)):
        if other and (other == metric.name or other not in names):
            return f"{metric.name}: {field}={other!r} has to be another metric of this scorer"
    return None


class Scorer(_Scoring):
    """Scores of single pictures."""

    @abstractmethod
    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        """One sequence of scores a sample, in order, whatever the batch."""


class SetScorer(_Scoring):
    """Scores of a set of pictures, against `reference` pictures where the metric needs some."""

    @abstractmethod
    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]: ...


class Detector(_Scoring):
    """Detections, which are stored, and verdicts, which are queries over them."""

    floor: ClassVar[float]  # score below which nothing is kept
    order: str  # channel order that the network sees, BGR or RGB, and its padding where that is another

    @property
    @abstractmethod
    def weights(self) -> str:
        """File and sha256 of the network, and the package that it is from."""

    @abstractmethod
    def detect(self, samples: Sequence[Sample]) -> Sequence[Sequence[Detection] | Score]:
        """The boxes of each picture, or the Score(None, note) of one that could not be read."""

    @abstractmethod
    def judge(self, found: Sequence[Detection]) -> Sequence[Score]:
        """The scores of one picture's boxes."""


#: what an attack may look into; pictures of the concept are everybody's
Sees: TypeAlias = Literal["nothing", "text encoder", "unedited model", "erased model", "both models"]
SEES: tuple[Sees, ...] = get_args(Sees)


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """What an attack is aimed at: the unedited host, the concepts that are gone, and prompts that ask for them.

    sampling: the contract that its pictures are made under. pictures: of each prompt.
    erased: sampling with the edit inside a `with`; None for an attack that does not see the erased model.
    found: of how many texts, the first ones, a search that was stopped found something (see `Attack.resumes`).
    """

    host: Host
    erase: tuple[str, ...]
    texts: tuple[str, ...]
    sampling: Sampling
    pictures: int = 1
    erased: Callable[[], AbstractContextManager[Guide]] | None = None
    found: int = 0

    @property
    def ahead(self) -> Sequence[tuple[int, str]]:
        """The texts that are still to be searched, each with its place among all."""
        return list(enumerate(self.texts))[self.found :]

    def edited(self) -> AbstractContextManager[Guide]:
        """Sampling with the edit, which is undone on leaving."""
        if self.erased is None:
            raise ValueError('an attack sees the edit whose `sees` is "erased model" or "both models"')
        return self.erased()


class Attack(Plugin):
    """What looks for an erased concept again, by prompts. `sees` is its threat model."""

    sees: ClassVar[Sees]
    kinds: ClassVar[frozenset[str]] = frozenset({"sd"})  # of models that it knows, see `hosts.kinds`; none: all
    resumes: ClassVar[bool] = False  # its search takes `Target.ahead`, and finds of a text the same wherever it begins

    @abstractmethod
    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        """For each text of the target, in order, the prompt that was found, and what the search cost."""

    def contract(self, suite: Sampling) -> Sampling:
        """What its pictures are made under; by default as the suite's."""
        return suite

    def identity(self) -> Mapping[str, Any]:
        """What its suites say of the settings: all of them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
