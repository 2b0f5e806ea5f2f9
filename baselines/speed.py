"""SPEED: Scalable, Precise, and Efficient Concept Erasure for Diffusion Models.

Ouxiang Li, Yuan Wang, Xinting Hu, Houcheng Jiang, Tao Liang, Yanbin Hao, Guojun Ma, Fuli Feng. arXiv 2503.07392.

Every cross-attention value matrix W moves what is erased to its anchor, in the null space of what is preserved:

    W' = W (I + D),   D = (S_at - S_tt) (G - G C (C^T G C + lambda I)^-1 C^T G),   G = (P S_tt P + rho I)^-1 P

S_tt and S_at are the means of t t^T and a t^T over the targets' rows t and their anchors' a. P projects on the
eigenvectors of the mean of r r^T over preserved rows r whose eigenvalues are below a threshold. C are rows that are
fixed (lambda 0) or nearly so: the start token's and three centres of the empty text's. With P = I and no C it is UCE.

Preserved rows are chosen a layer ("influence-based prior filtering"): those that the plain edit E = (S_at - S_tt)
(I + S_tt)^-1 would move more than the mean, |W E r|; and augmented ("directed prior augmentation"): copies
r + (g . v) v, g normal and v the direction that W sees least, of which those are kept that E moves more than the mean
copy of the same rows, 128 at a time. Settings are those of the released scripts. Preserved in them: character names,
artists, other celebrities, ""; here what the model lists or is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, encode
from dumo_bench.interfaces import Method
from dumo_bench.kit import embeddings, linear
from dumo_bench.kit.train import mentions, seeded
from dumo_bench.types import Edit

CENTRES = 3
CHUNK = 128  # preserved rows whose copies are compared with one another


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """rows: of every text its last subject token's, or all after the start token. filtered: choose rows a layer.

    augment: copies a row; threshold: of the projector; rho: the ridge; lam: how nearly the fixed rows are fixed.
    """

    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("augment", "threshold", "lam"), "[0, inf)"),
        "rho": "(0, inf)",
    }

    rows: Literal["subject", "all"] = "subject"
    filtered: bool = True
    augment: int = 10
    threshold: float = 0.1
    rho: float = 1.0
    lam: float = 0.0


#: one to three instances or artists; ten to a hundred celebrities, whose anchor is "person"; nudity, which preserves ""
PLANS: Mapping[str, Plan] = {
    "few": Plan(),
    "celebrities": Plan(filtered=False, threshold=1e-4, rho=0.05),
    "nudity": Plan(rows="all", rho=0.7, lam=0.5),
}


@dataclass(frozen=True)
class SPEED(Method):
    """anchor: what the concepts become; preserve: strings that stay.

    `@styles` and `@objects` stand for what the model's own `world.json` lists; where it lists no styles, `@styles` are
    the published run's other artists, if their list is on this machine. What is None is the plan's of the preset, or
    the model's own. seed moves the copies and the centres alone.
    """

    name: ClassVar[str] = "speed"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Li et al., ICLR 2026, arXiv 2503.07392"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "li2026speed",
            "SPEED: Scalable, Precise, and Efficient Concept Erasure for Diffusion Models",
            (
                "Ouxiang Li",
                "Yuan Wang",
                "Xinting Hu",
                "Houcheng Jiang",
                "Tao Liang",
                "Yanbin Hao",
                "Guojun Ma",
                "Fuli Feng",
            ),
            2026,
            venue="International Conference on Learning Representations",
            arxiv="2503.07392",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("speed",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "object": {"preserve": ("@objects", "@styles")},
        "style": {"anchor": "art", "preserve": ("@styles",)},
        "explicit": {"preset": "nudity", "preserve": ("", "@objects", "@styles")},
    }
    lists: ClassVar[Mapping[str, Mapping[str, str]]] = {"style": {"@styles": "artists-1734"}}
    bounds: ClassVar[Mapping[str, str]] = {
        "augment": "[0, inf)",
        "threshold": "[0, inf)",
        "lam": "[0, inf)",
        "rho": "(0, inf)",
    }

    preset: Literal["few", "celebrities", "nudity"] = "few"
    anchor: str = ""
    preserve: tuple[str, ...] = ()
    rows: Literal["subject", "all"] | None = None
    filtered: bool | None = None
    augment: int | None = None
    threshold: float | None = None
    rho: float | None = None
    lam: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The preset's plan with the host's own numbers and this method's settings."""
        own = {field.name: getattr(self, field.name) for field in fields(Plan)}
        return plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        host, plan, g = embeddings.once(host), self.plan(host, len(erase)), seeded(seed)
        names = [s for s in embeddings.strings(host, self.preserve, erase) if not any(mentions(s, c) for c in erase)]
        t, a, kept = (read(host, texts, plan.rows) for texts in (erase, [self.anchor] * len(erase), names))
        s_tt, s_at = linear.gram(t, t) / len(t), linear.gram(a, t) / len(t)
        fixed = invariant(host, g)
        made, free = {}, {}
        for name, w in values(host.unet):
            p = null(chosen(w.double(), kept, s_tt, s_at, plan, g), plan.threshold)
            d = solved(s_tt, s_at, p, fixed, plan.rho, plan.lam)
            made[f"unet.{name}"] = (w + self.strength * (w.double() @ d)).to(w.dtype)
            free[name] = round(float(p.trace()))
        return Edit(made, {"plan": asdict(plan), "preserved": len(names), "null_dimensions": free})


def read(host: Host, texts: Sequence[str], rows: str) -> Tensor:
    """The rows of the texts, (n, d) in float64."""
    if rows == "subject":
        return embeddings.subject(host, texts).double()
    every = embeddings.whole(host, texts)
    return every.view(len(texts), -1, every.shape[1])[:, 1:].flatten(0, 1).double()


def chosen(w: Tensor, kept: Tensor, s_tt: Tensor, s_at: Tensor, plan: Plan, g: torch.Generator) -> Tensor:
    """The preserved rows (m, d) of a layer w (h, d), with their copies."""
    eye = torch.eye(len(s_tt), dtype=s_tt.dtype, device=s_tt.device)
    e = w @ torch.linalg.solve(eye + s_tt, s_at - s_tt, left=False)
    rows = above(kept, e) if plan.filtered else kept
    v = torch.linalg.svd(w).Vh[-1]
    return torch.cat([rows, *(above(copies(part, v, plan.augment, g), e) for part in torch.split(rows, CHUNK))])


def values(unet: Any) -> Iterator[tuple[str, Tensor]]:
    """The cross-attention value matrices (h, d) by name; 16 on SD 1.x."""
    return ((n, w) for n, w in linear.weights(unet).items() if n.endswith("to_v.weight"))


def invariant(host: Host, g: torch.Generator) -> Tensor:
    """Rows C (4, d) of the empty text: the start token's, and the centres of all others."""
    from scipy.cluster.vq import kmeans2

    own = encode(host, [""])[0].double()
    rng = int(torch.randint(2**31, (1,), generator=g))
    centres, _ = kmeans2(own[1:].cpu().numpy(), CENTRES, minit="++", rng=rng)
    return torch.cat([own[:1], torch.as_tensor(centres, device=own.device)])


def above(rows: Tensor, e: Tensor) -> Tensor:
    """Those of the rows (n, d) that an edit e (h, d) moves more than the mean of them."""
    moved = torch.linalg.vector_norm(rows @ e.T, dim=1)
    return rows[moved > moved.mean()]


def copies(rows: Tensor, v: Tensor, n: int, g: torch.Generator) -> Tensor:
    """n copies of every row (m, d), each moved a normal distance along v (d,)."""
    far = torch.randn(n * len(rows), 1, generator=g, dtype=torch.float64).to(rows.device)
    return rows.repeat(n, 1) + far * v


def null(rows: Tensor, threshold: float) -> Tensor:
    """The projector P (d, d) on directions in which the mean of r r^T is below the threshold; I of no rows."""
    found, axes = torch.linalg.eigh(linear.gram(rows, rows) / max(1, len(rows)))
    free = axes[:, found < threshold]
    projector: Tensor = free @ free.T
    return projector


def solved(s_tt: Tensor, s_at: Tensor, p: Tensor, fixed: Tensor, rho: float, lam: float) -> Tensor:
    """D (d, d); fixed (k, d). Fixed rows outside of the null space stay as they are: hence the pseudo-inverse."""
    eye = torch.eye(len(p), dtype=p.dtype, device=p.device)
    g = torch.linalg.solve(p @ s_tt @ p + rho * eye, p)
    c = g @ fixed.T
    k = fixed @ c + lam * torch.eye(len(fixed), dtype=p.dtype, device=p.device)
    d: Tensor = (s_at - s_tt) @ (g - c @ torch.linalg.pinv(k, hermitian=True) @ c.T)
    return d
