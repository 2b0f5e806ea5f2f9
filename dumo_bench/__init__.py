"""dumo-bench: does a method really remove a concept from Stable Diffusion, and what else does it break?

    import dumo_bench as db
    db.run(method="uce", suite="emoji-cartoon", cases=["ghost"], limit=24)

Nothing is imported before a name is used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dumo_bench.api import (
        AttackRow,
        Experiment,
        MethodRow,
        Results,
        SuiteRow,
        UserError,
        compare,
        plan,
        read,
        run,
    )

__version__ = "0.1.0"
__all__ = [
    "AttackRow",
    "Experiment",
    "MethodRow",
    "Results",
    "SuiteRow",
    "UserError",
    "compare",
    "plan",
    "read",
    "run",
]


class _Package(ModuleType):
    """`run` is the function at all times: the import system would put the package `dumo_bench.run` there."""

    @property
    def run(self) -> Any:
        return import_module("dumo_bench.api").run

    @run.setter
    def run(self, package: ModuleType) -> None:
        """The package stays where `from dumo_bench.run.plan import ...` finds it."""

    def __getattr__(self, name: str) -> Any:
        """A public name, from where it is made."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("dumo_bench.api"), name)

    def __dir__(self) -> list[str]:
        return sorted({*__all__, *vars(self)})


sys.modules[__name__].__class__ = _Package
