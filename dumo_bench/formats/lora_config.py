"""What a LoRA's configuration says: adapter_config.json of peft, and the same fields in the notes of diffusers' files.

The rules are those of peft's LoraConfig (https://huggingface.co/docs/peft/package_reference/lora) as peft merges it:
scale alpha / r, or alpha / sqrt(r) with `use_rslora` (arXiv 2312.03732), by layer where a pattern matches its name.
`fan_in_fan_out` is peft's for layers of the kind Conv1D; in linear layers and convolutions it ignores it, so it is
ignored here. What changes weights in another way than a LoRA or DoRA does is refused by the name of its field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dumo_bench.errors import UserError

CONFIG = "adapter_config.json"
#: what tells about training, loading or other kinds of layer, and changes no merged weight
WITHOUT_EFFECT = frozenset({
    "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
    "lora_dropout", "fan_in_fan_out", "megatron_core", "qalora_group_size", "eva_config", "velora_config",
    "runtime_config", "ensure_weight_tying",
})  # fmt: skip
#: how the matrices began; other beginnings (pissa, olora, corda, loftq, lora_ga) move the model's own weights too
BEGINNINGS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")
Names = str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Rules:
    """The fields of a LoraConfig that a merged weight depends on, with peft's defaults."""

    r: int = 8
    lora_alpha: float = 8
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    use_rslora: bool = False
    use_dora: bool = False
    lora_bias: bool = False
    bias: str = "none"
    target_modules: Names = None
    exclude_modules: Names = None
    modules_to_save: Sequence[str] | None = None
    layers_to_transform: int | Sequence[int] | None = None
    layers_pattern: Names = None

    def rank(self, layer: str) -> int:
        return int(_matching(self.rank_pattern, layer, self.r))

    def scale(self, layer: str) -> float:
        """What up @ down is multiplied by."""
        rank = self.rank(layer)
        alpha = float(_matching(self.alpha_pattern, layer, self.lora_alpha))
        return alpha / (rank**0.5 if self.use_rslora else rank)

    def targets(self, layer: str) -> bool:
        """Whether the layer has a LoRA; True where the targets are not told."""
        if _named(self.exclude_modules, layer) or self.saves(layer):
            return False
        if self.target_modules is None:
            return True
        listed = not isinstance(self.target_modules, str)
        return _named(self.target_modules, layer) and not (listed and self._other_index(layer))

    def saves(self, layer: str) -> bool:
        """Whether the layer, or one around it, is kept whole."""
        return any(re.match(rf"(^|.*\.){re.escape(name)}($|\..*)", layer) for name in self.modules_to_save or ())

    def _other_index(self, layer: str) -> bool:
        """Whether `layers_to_transform` leaves the layer out, by the first number in its name."""
        wanted = self.layers_to_transform
        if wanted is None or (not isinstance(wanted, int) and not wanted):
            return False
        around = [self.layers_pattern] if isinstance(self.layers_pattern, str) else self.layers_pattern
        patterns = [rf"(?:^|.*?\.){one}\.(\d+)\." for one in around or ()] or [r".*?\.[^.]*\.(\d+)\."]
        found = next((match for one in patterns if (match := re.match(one, layer))), None)
        return found is None or int(found[1]) not in ((wanted,) if isinstance(wanted, int) else wanted)


def rules(where: str, said: Mapping[str, Any]) -> Rules:
    """The rules of a configuration; a UserError that names the field that cannot be merged or read."""
    if str(said.get("peft_type") or "LORA") != "LORA":
        raise _refused(where, "peft_type", said["peft_type"], "of peft's adapters LORA alone is imported")
    if said.get("init_lora_weights", True) not in BEGINNINGS:
        why = "it moves the model's own weights; save it with path_initial_model_for_weight_conversion"
        raise _refused(where, "init_lora_weights", said["init_lora_weights"], why)
    known = {*Rules.__slots__, *WITHOUT_EFFECT, "peft_type", "init_lora_weights"}
    for name, value in said.items():
        if name not in known and value:
            raise _refused(where, name, value, "no merged weight can hold it")
    own = {name: said[name] for name in Rules.__slots__ if said.get(name) is not None}
    if own.get("target_modules") == "all-linear":  # peft writes the names that it stands for
        del own["target_modules"]
    for name, value in own.items():
        _check(where, name, value)
    found = Rules(**own)
    if found.use_dora and found.lora_bias:
        raise _refused(where, "lora_bias", True, "peft has none beside use_dora")
    return found


def _check(where: str, name: str, value: Any) -> None:
    """Refuse a value of another kind than the field has."""
    wanted, fits = _KINDS[name]
    if not fits(value):
        raise _refused(where, name, value, f"wanted {wanted}")
    if name in ("rank_pattern", "alpha_pattern"):
        patterns: Iterable[str] = value
    elif name in ("target_modules", "exclude_modules"):
        patterns = [value] if isinstance(value, str) else []
    else:
        patterns = [value] if isinstance(value, str) else value if name == "layers_pattern" else []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise _refused(where, name, pattern, f"no regular expression: {error}") from error


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _rank(value: Any) -> bool:
    return _number(value) and value > 0 and value == int(value)


def _words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FLAG = ("true or false", lambda value: isinstance(value, bool))
_NAMES = ("a pattern or a list of names", lambda value: isinstance(value, str) or _words(value))
_KINDS: Mapping[str, tuple[str, Any]] = {
    "r": ("a whole number above 0", _rank),
    "lora_alpha": ("a number", _number),
    "rank_pattern": ("an object of numbers", lambda v: isinstance(v, Mapping) and all(map(_rank, v.values()))),
    "alpha_pattern": ("an object of numbers", lambda v: isinstance(v, Mapping) and all(map(_number, v.values()))),
    "use_rslora": _FLAG,
    "use_dora": _FLAG,
    "lora_bias": _FLAG,
    "bias": ("none, all or lora_only", lambda value: value in ("none", "all", "lora_only")),
    "target_modules": _NAMES,
    "exclude_modules": _NAMES,
    "modules_to_save": ("a list of names", _words),
    "layers_to_transform": (
        "a number or a list of numbers",
        lambda v: _whole(v) or (isinstance(v, list | tuple) and all(map(_whole, v))),
    ),
    "layers_pattern": _NAMES,
}


def _matching(pattern: Mapping[str, Any], layer: str, usual: Any) -> Any:
    """The value of the first pattern that is the end of the layer's name, from a dot on; else the usual one."""
    return next((value for key, value in pattern.items() if re.match(rf"(.*\.)?({key})$", layer)), usual)


def _named(names: Names, layer: str) -> bool:
    """Whether a pattern is the layer's whole name, or one of several names its end."""
    if isinstance(names, str):
        return re.fullmatch(names, layer) is not None
    return any(layer == name or layer.endswith(f".{name}") for name in names or ())


def _refused(where: str, name: str, value: Any, why: str) -> UserError:
    return UserError(f"LoRA: {where}: {name} is {str(value)[:60]!r}: {why}")
