"""This project's methods as a technique of eval-unlearn (https://pypi.org/project/eval-unlearn), by its entry point.

    {"technique": {"name": "dumo_bench", "config": {"method": "dumo", "erase_concept": "ghost", "model": "emoji-sd"}}}

A technique of that harness is a class that takes the configuration as keywords and gives one picture a prompt by
`generate(prompts, seed)`. Edits and pictures are kept in a results folder as by `run`, so that a second metric makes
nothing again. The harness hands on no seed of its own; the n-th picture of a run has the noise of seed + n, whatever
the size of the harness's batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dumo_bench.errors import UserError
from dumo_bench.fields import checked
from dumo_bench.plugins import loading
from dumo_bench.run import given, jobs, needs, resize
from dumo_bench.run.plan import defined, kind_of, preset
from dumo_bench.storage import references
from dumo_bench.suites import contract, registry
from dumo_bench.types import Case, Draw, Job, Sampling

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "eval-unlearn"
#: what callers of diffusers' pipelines say in place of a contract's own words
SPOKEN = {"num_inference_steps": "steps", "guidance_scale": "guidance"}


@dataclass(frozen=True)
class Config:
    """The technique's configuration.

    erase_concept: what goes, as the harness writes it into its report; erase: several concepts, in its place.
    contract: the suite whose sampling and presets are taken; sampling: fields of it to replace, steps for one.
    model: "" for the contract's own; pictures are scaled to the size of another, as in a run. settings: of the method,
    as --set.
    """

    erase_concept: str = ""
    method: str = "dumo"
    settings: Mapping[str, Any] = field(default_factory=dict)
    erase: tuple[str, ...] = ()
    contract: str = "cartoon"
    sampling: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    out: str = "results/eval-unlearn"
    seed: int = 0
    fit_seed: int = 0
    device: str = "auto"
    batch_size: int = 4


class Technique:
    """What eval-unlearn loads, makes with its configuration and asks for pictures."""

    def __init__(self, **config: Any) -> None:
        from dumo_bench.hosts import device, models, sd
        from dumo_bench.run import work
        from dumo_bench.storage import remote
        from dumo_bench.storage.store import Store

        self.config = of = Config(**checked("technique dumo_bench", Config, config))
        suite = registry.load(of.contract)
        model = of.model or suite.sampling.model
        where = models.folder(model)
        if model != suite.sampling.model:
            suite = resize.fitted(suite, resize.side(where))
        own = preset(loading.load("methods", of.method), suite.task, of.settings, kind_of(model).name)
        self.method = loading.make("methods", of.method, own)
        if reason := needs.lacking(self.method, model):
            raise UserError(f"{reason}: choose another model or method")
        self.sampling = _replaced(contract.sampling(suite, model=models.resolve(model).name), of.sampling)
        resize.possible(replace(suite, sampling=self.sampling, prompts=()), where)
        self.sampling = defined(self.sampling, model)
        self.host = sd.load(model, device=device.use(of.device), dtype=self.sampling.dtype)
        erase = of.erase or ((of.erase_concept,) if of.erase_concept else ())
        has = given.make(self.method, Case("", erase), suite.task, model, self.host.hash) if erase else given.Given()
        self.recipe = jobs.recipe(self.method, erase, fit_seed=of.fit_seed, model=self.host.hash, said=has.said)
        self.store, self.made = Store(remote.place(of.out)), 0
        self._note(())
        if self.recipe.erase:
            work.fit(has.to(self.host), self.method, self.recipe, self.store)

    def generate(self, prompts: Sequence[str], seed: int | None = None, **kwargs: Any) -> list[Image]:
        """One picture a prompt, in order. A seed, where the harness gives one, is in place of the configuration's."""
        from PIL import Image

        from dumo_bench.run import work
        from dumo_bench.storage import copies

        sampling = _replaced(self.sampling, {SPOKEN.get(name, name): value for name, value in kwargs.items()})
        first = (self.config.seed if seed is None else seed) + self.made
        wanted = [Job(self.recipe, text, Draw(first + n), sampling) for n, text in enumerate(prompts)]
        self._note(job.key for job in wanted)
        failed = work.generate(self.host, self.method, jobs.unique(wanted), self.store, self.config.batch_size).failed
        if failed:
            raise UserError(f"{len(failed)} of {len(wanted)} pictures cannot be made: {failed[0][1]}")
        self.made += len(wanted)
        pictures = []
        for job in wanted:
            with Image.open(copies.local(self.store.image_path(job))) as picture:
                pictures.append(picture.convert("RGB"))
        return pictures

    def _note(self, keys: Iterable[str]) -> None:
        """Say what is wanted before it is made, so that `store gc` leaves it alone."""
        group = references.Group(NAME, self.recipe, tuple(dict.fromkeys(keys)))
        references.note(self.store.root, NAME, {NAME: asdict(self.config)}, [group])


def _replaced(sampling: Sampling, said: Mapping[str, Any]) -> Sampling:
    """The contract with some of its fields replaced."""
    return replace(sampling, **checked("sampling", Sampling, said))
