"""Let `src.iot_edge_anomaly` name this very package, so that no module is loaded, and no class made, twice."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REAL = "iot_edge_anomaly"


class AliasFinder(MetaPathFinder, Loader):
    """Answer imports below `alias` with the modules of the real package."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Claim every name below the alias."""
        if not fullname.startswith(f"{self._alias}."):
            return None
        return ModuleSpec(fullname, self, loader_state={})

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the real module; remember its own spec, which the import system is about to overwrite."""
        module = importlib.import_module(REAL + spec.name.removeprefix(self._alias))
        spec.loader_state["spec"] = module.__spec__
        spec.loader_state["loader"] = module.__loader__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the real module its own spec back: it was executed when it was imported."""
        spec = module.__spec__
        assert spec is not None
        module.__spec__, module.__loader__ = spec.loader_state["spec"], spec.loader_state["loader"]


def install(alias: str) -> None:
    """Make `alias` another name of the package, for this process."""
    sys.modules[alias] = importlib.import_module(REAL)
    sys.meta_path.insert(0, AliasFinder(alias))
