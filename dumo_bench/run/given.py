"""What a fit is given beside its settings, the model's own plans and published lists, and what a recipe says of it.

A method that preserves `@styles` means those of the model's `world.json`. Where that lists none, the list that the
method's `lists` name for the task stands in, if its file is on this machine; that it is or is not is in the recipe, so
that tables can say it. So is the digest of a `world.json`: its lists and prompts are learnt from; and that a method is
ours on a kind of models, where no paper of it says how. No torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dumo_bench.hosts import kinds, models, plans
from dumo_bench.hosts.plans import Plans
from dumo_bench.interfaces import Method
from dumo_bench.plugins import loading
from dumo_bench.suites import registry, source
from dumo_bench.types import ADAPTATION, Case, digest, spelt

if TYPE_CHECKING:
    from dumo_bench.hosts.sd import Host

#: hash of a model -> digest of the world.json that its first edits were made with: their keys do not say it
FIRST: Mapping[str, str] = {
    "86f4a9ce19cb9f6b107fc4a7d9ceee46df7deca4aae8d9c62f14d2a46d27f949":  # emoji-sd
    "9021c592a5ef21e777cfdc1d768b561f247daadedc0ad3582f13ae2ec6392115",
}


@dataclass(frozen=True, slots=True)
class Given:
    """plans: the tables that the method reads, no others; lists: name -> what is to be preserved.

    said: what the recipe says of them beside the settings.
    """

    plans: Plans = field(default_factory=dict)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)

    def to(self, host: Host) -> Host:
        """The host that the method is fitted on."""
        return replace(host, plans=self.plans, world={**host.world, **self.lists})


def make(method: Method, case: Case, task: str, model: str, weights: str) -> Given:
    """What a method is given for a case on a model; weights: their hash."""
    where, tables = models.folder(model), method.tables
    every, said, lists = plans.read(where), dict[str, Any](), dict[str, Sequence[str]]()
    if (models.kind(where) or kinds.SD).name in method.ours:
        said[ADAPTATION] = "ours"
    if key := plans.key(every, tables, weights):
        said[plans.FILE] = key
    world = models.world(where)
    if (words := digest(world)) != FIRST.get(weights, digest({})):
        said[models.WORLD] = words[:12]
    for name, suite in asked(method, task, world):
        if names := others(suite, case.erase):
            lists[name.removeprefix("@")] = names
        said[f"@{suite}"] = digest(names)[:12] if names else None
    return Given(plans.of(every, tables), lists, said)


def asked(method: Method, task: str, world: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The published lists that a method preserves in a task where the model lists nothing: name, and suite it is of."""
    stated = method.lists.get(task, {})
    settings = method.identity()
    if any(settings.get(name) != value for name, value in stated.items() if not name.startswith("@")):
        return
    for name, suite in stated.items():
        if name.startswith("@") and name in settings.get("preserve", ()) and not world.get(name.removeprefix("@")):
            yield name, suite


def others(suite: str, erase: Sequence[str]) -> Sequence[str]:
    """A suite's concepts but for those that are erased, also as a part of a longer name ("Vincent Van Gogh").

    Nothing where the suite's list is not on this machine.
    """
    csv = registry.file_of(suite).csv
    if csv and source.find(csv.source) is None:
        return ()
    gone = re.compile("|".join(rf"(?<!\w){re.escape(spelt(concept))}(?!\w)" for concept in erase))
    names = dict.fromkeys(prompt.concept for prompt in registry.load(suite).prompts)
    return [name for name in names if not gone.search(spelt(name))]


def unread(model: str, part: Method) -> list[str]:
    """The tables of a model's plans.toml that neither this method nor an installed one reads: misspelt, perhaps."""
    known = {*part.tables, plans.ATTACKS}
    known |= {table for name in loading.names("methods") for table in loading.load("methods", name).tables}
    return sorted(plans.read(models.folder(model)).keys() - known)


def told(method: str, params: Mapping[str, Any]) -> Iterator[str]:
    """Sentences for tables: what a recipe says of what its method was given."""
    if plans.FILE in params:
        yield f"{method} was fitted with numbers of the model's own {plans.FILE} ({params[plans.FILE]})."
    for suite, key in ((name[1:], key) for name, key in params.items() if name.startswith("@")):
        missing = f"the list was not on the machine (`{source.command(suite)}`)"
        yield (
            f"{method} preserves the other names of {suite} (digest {key})."
            if key
            else (f"{method} does not preserve the other names of {suite}, as the published runs do: {missing}.")
        )
