"""The sizes of a workload, and changes of single parameters."""

from __future__ import annotations

from collections.abc import Mapping


def parameters_of_size(
    name: str, sizes: Mapping[str, Mapping[str, int]], size: str
) -> dict[str, int]:
    """Parameters of workload `name` in `size`, which `small,rounds=10` says with one of them changed.

    Raises ValueError for a size or parameter that does not exist.
    """
    named, *changes = size.split(",")
    if named not in sizes:
        raise ValueError(f"there is no size {named!r}; sizes are {', '.join(sizes)}")
    values = dict(sizes[named])
    for change in changes:
        parameter, _, value = change.partition("=")
        if parameter not in values:
            raise ValueError(f"{name} has no parameter {parameter!r}; it has {', '.join(values)}")
        values[parameter] = int(value, 0)
    return values
