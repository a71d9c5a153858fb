"""Types of parameters that are names: what a shell offers for them is what the commands would find."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

_SHORT = 10


class Name(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A text that is one of `known`, or begins with one; whether it is, the command itself says."""

    def __init__(
        self, name: str, known: Callable[[], Iterable[str]], *, files: bool = False
    ) -> None:
        self.name = name
        self._known = known
        self._files = files

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What may be given, as far as that is a short list."""
        names = list(self._known())
        return f"Known: {', '.join(names)}." if len(names) <= _SHORT else f"Such as {names[0]}."

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so; files too where a file may stand, once no name does."""
        found = [CompletionItem(n) for n in self._known() if n.startswith(incomplete)]
        return found if found or not self._files else [CompletionItem(incomplete, type="file")]


def _techniques() -> list[str]:
    import techniques

    return techniques.names()


def _workloads() -> list[str]:
    import workloads

    names = [workload.name for workload in workloads.all()]
    return [*dict.fromkeys(name.partition("/")[0] for name in names), *names]


def _presets() -> list[str]:
    from hardware_model import presets

    return presets.names()


def _costs() -> list[str]:
    from hardware_model.cost_table import KEYS

    return list(KEYS)


def _knobs() -> list[str]:
    import techniques

    found = {k.name: k for t in techniques.names() for k in techniques.knobs(t).values()}
    return [f"{name}=" for name in sorted(found)]


def _neighbours() -> list[str]:
    return [f"{technique}:" for technique in _techniques() if technique != "native"]


#: By the name of the parameter, in every command that has it.
TYPES: dict[str, Name] = {
    "technique": Name("T", _techniques),
    "techniques": Name("T", _techniques),
    "between": Name("T", _techniques),
    "workload": Name("W", _workloads, files=True),
    "workloads": Name("W", _workloads, files=True),
    "preset": Name("P", _presets),
    "presets": Name("P", _presets),
    "geometry": Name("P", _presets),
    "size": Name("S", lambda: ("small", "standard", "large")),
    "io": Name("M", lambda: ("emulated", "paravirtual", "passthrough")),
    "settings": Name("KNOB=VALUE", _knobs),
    "beside": Name("TECHNIQUE:WORKLOAD", _neighbours),
    "vary": Name("KEY", _costs),
}
