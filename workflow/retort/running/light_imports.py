"""What a job imports of its libraries: not what they bring along for uses that Retort has not.

A job of a diffusion model needs one or two networks of diffusers. Importing one runs the `__init__` of the packages
that it stands in, which import every other network, the loaders of LoRA and of single files, transformers, scipy.stats
and PyTorch's compiler; an optimiser imports the compiler, too, to ask whether it runs. For a short job that is more CPU
than all its work. Here these imports are postponed to the first use of what they would bring, which a job without a
compiled network and without parts from outside never has. Only machines without a GPU do so.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from retort.parts import foreign
from retort.running.gpus import driver_shows_a_gpu


def _unchanged(function: Callable | None = None, *_, **__) -> Callable:
    """As a decorator that marks a function for the compiler, with or without arguments of its own."""
    return (lambda decorated: decorated) if function is None else function


def _mixins(*names: str) -> dict[str, type]:
    """Classes that networks inherit from for what a job does not ask of them."""
    return {name: type(name, (), {}) for name in names}


POSTPONED: dict[str, Mapping[str, Any]] = {
    "torch._dynamo": {"disable": _unchanged, "allow_in_graph": _unchanged, "graph_break": lambda: None},
    "diffusers.models.autoencoders": {},
    "diffusers.models.transformers": {},
    "diffusers.models.unets": {},
    "diffusers.loaders": _mixins("PeftAdapterMixin", "UNet2DConditionLoadersMixin"),
    "diffusers.loaders.single_file_model": _mixins("FromOriginalModelMixin"),
    "diffusers.quantizers.pipe_quant_config": {"PipelineQuantizationConfig": None},
}
"""Module -> what it answers before it is imported in full, which the first question for anything else does."""


def install_for(snakemake) -> None:
    """In the process of a job, unless code that is not Retort's runs in it, its network is compiled, or the machine has
    a GPU, on which jobs are long and libraries take paths that this was not tried on."""
    compiled = "compile" in str(snakemake.resources.get("run")).split("+")
    if not (compiled or snakemake.config.get("parts") or foreign.names() or driver_shows_a_gpu()):
        install()


def install() -> None:
    """From now on in this process; modules that are there already stay as they are."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path, target=None) -> ModuleSpec | None:
        if name in POSTPONED:
            spec = PathFinder.find_spec(name, path)
            if spec and spec.loader:
                spec.loader = _Postponed(spec.loader, POSTPONED[name])
            return spec
        parent = sys.modules.get(name.rpartition(".")[0])
        if parent and parent.__name__ == "torch._dynamo" and _imported_in_full(parent) and name in sys.modules:
            return ModuleSpec(name, _There(sys.modules[name]))
        return None


class _Postponed(Loader):
    """Runs a module when it is asked for what is not among its answers."""

    def __init__(self, loader: Loader, answers: Mapping[str, Any]):
        self._loader, self._answers = loader, answers

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        def asked(name: str) -> Any:
            if name.startswith("__"):  # of every module, by those who look through all of them
                raise AttributeError(name)
            return getattr(self.in_full(module), name)

        vars(module).update(self._answers, __getattr__=asked)

    def in_full(self, module: ModuleType) -> ModuleType:
        """The module after all, which diffusers may put in the place of the one that was imported."""
        for name in ("__getattr__", *self._answers):
            del vars(module)[name]
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        found = sys.modules[module.__name__]
        if found is not module:
            module.__getattr__ = partial(getattr, found)
        return found


def _imported_in_full(module: ModuleType) -> bool:
    """Also if it was postponed: now it is. Whether it had been."""
    postponed = module.__spec__.loader
    if isinstance(postponed, _Postponed):
        postponed.in_full(module)
        return True
    return False


class _There(Loader):
    """Gives the module that the import of its package has brought in the meantime."""

    def __init__(self, module: ModuleType):
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        pass
