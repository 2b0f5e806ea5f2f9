"""Edits trained elsewhere: published weights of ESD, UCE, CA, SPEED, Receler, DuMo, ..., or a LoRA, imported strictly.

By path or hub id. Which family a file is of is read from it (dumo_bench/formats); one that fits the model only in part,
or changes nothing, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from dumo_bench.errors import UserError, unknown
from dumo_bench.formats import locate
from dumo_bench.interfaces import Method
from dumo_bench.types import Edit, Guide

if TYPE_CHECKING:
    from dumo_bench.formats.match import Report
    from dumo_bench.hosts.sd import Host


@dataclass(frozen=True)
class Checkpoint(Method):
    """path: a file, a folder or a hub id (owner/name/file); several of DuMo, Receler or SPM are one a concept.

    partial: take a file that holds only some tensors of a known selection; gate: of DuMo and SPM, None as the file has
    it; strength: how much of the change to take.
    """

    name: ClassVar[str] = "checkpoint"
    version: ClassVar[str] = "2"  # 1 took no configuration of peft, and of pipelines the U-Net alone
    cite: ClassVar[str] = "published weights, imported"
    kinds: ClassVar[frozenset[str]] = frozenset({"sd", "sdxl", "flux", "sd3"})

    path: str | tuple[str, ...] = ""
    revision: str = ""
    partial: bool = False
    gate: bool | None = None
    strength: float = 1.0

    @property
    def places(self) -> tuple[locate.Place, ...]:
        return locate.find((self.path,) if isinstance(self.path, str) else self.path, self.revision)

    def identity(self) -> Mapping[str, Any]:
        """What a recipe says in place of the settings: the files by name and content, wherever they lie."""
        files = [f"{where.name} {where.sha256[:16]}" for where in self.places]
        chosen = {"partial": self.partial, "gate": self.gate, "strength": self.strength}
        return {"file": " + ".join(files), **chosen}

    def examine(self, host: Host, erase: Sequence[str]) -> list[tuple[Edit, Report]]:
        """Each artefact's edit, of the tensors that fit, with the report of all its tensors; refuses none."""
        from dumo_bench.methods import imported

        choice = imported.Choice(self.partial, self.gate, self.strength)
        return [imported.examine(host, where, words, choice) for where, words in self.groups(erase)]

    def groups(self, erase: Sequence[str]) -> list[tuple[locate.Place, tuple[str, ...]]]:
        """Which artefact is for which concepts: one for all, those that were listed in order, a folder's by name."""
        found = self.places
        if len(found) == 1:
            return [(found[0], tuple(erase))]
        if not isinstance(self.path, str):
            if len(found) != len(erase):
                raise UserError(
                    f"{len(found)} artefacts for {len(erase)} concepts ({', '.join(erase)}): wanted one each"
                )
            return [(where, (concept,)) for where, concept in zip(found, erase, strict=True)]
        named = {locate.folder_name(where.name): where for where in found}
        for concept in erase:
            if locate.folder_name(concept) not in named:
                raise unknown(f"{self.path}, a folder a concept", locate.folder_name(concept), named)
        return [(named[locate.folder_name(concept)], (concept,)) for concept in erase]

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        from dumo_bench.formats.match import refuse
        from dumo_bench.methods import imported

        del seed  # nothing is drawn
        found = self.examine(host, erase)
        for _, report in found:
            refuse(report, host.model)
        return imported.join([edit for edit, _ in found])

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        from dumo_bench.hosts import sd
        from dumo_bench.kit import adapter, lora
        from dumo_bench.methods.dumo import DuMo

        sd.fits(host, edit)
        if edit.header["kind"] == "dumo":
            with DuMo().apply(host, edit) as guide:
                yield guide
        elif edit.header["kind"] == "spm":
            yield lora.gated(host, edit)
        elif edit.header["kind"] == "adapter":
            with adapter.attached(host.unet, adapter.sets(host.unet, edit)):
                yield partial(sd.stock_guide, host)
        else:
            with super().apply(host, edit) as guide:
                yield guide
