# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Generations and crossovers
#
# A run is priced on every microarchitecture without running again. Which technique wins is a question about costs, and
# where the winner changes can be solved for.

# %%
import tempfile
from pathlib import Path

import trapbench
from hardware_model import presets
from results import crossover, cycles, sensitivity
from results.plots import catalogue

run = trapbench.run(
    ["native", "bt", "pv", "hvm-shadow", "hvm-ept"],
    ["kernel/fork-wait", "kernel/null-call", "kernel/page-fault", "kernel/pipe", "compute/sieve"],
    out=Path(tempfile.mkdtemp()) / "generations",
)

# %% [markdown]
# ## The same counters, seven processors
#
# A VM exit and entry cost thousands of cycles on the first processors with VT-x and hundreds on later ones.

# %%
exit_cost = {name: presets.load(name).costs["vmx.round_trip"].value for name in presets.names()}
dict(sorted(exit_cost.items(), key=lambda item: -item[1]))

# %%
catalogue.picture(run, "generations")

# %% [markdown]
# ## What may an exit cost?
#
# Cycles are linear in the costs, so that the break-even is exact: for each workload and pair of techniques, the cost of
# an exit at which both take the same time.

# %%
nehalem = presets.load("nehalem")
amounts = cycles.amounts(run.valid_counters())
table = crossover.crossovers(amounts, nehalem, "vmx.round_trip", ("bt", "hvm-shadow"))
table[["workload", "first", "second", "cost", "below", "above", "now"]].round(0)

# %%
catalogue.picture(run, "crossovers")

# %% [markdown]
# ## How sure is the winner?
#
# Every cost has a range. Draw all of them, many times, and count who wins.

# %%
run.winners("nehalem").pivot(index="workload", columns="technique", values="probability").round(2)

# %% [markdown]
# And which cost moves one comparison most, when it alone goes to its bounds?

# %%
cells = amounts.cells
place = {
    technique: cells.index[
        (cells["workload"] == "kernel/fork-wait") & (cells["technique"] == technique)
    ][0]
    for technique in ("bt", "hvm-shadow")
}
sensitivity.tornado(amounts, nehalem, place["bt"], place["hvm-shadow"]).head(6).round(3)
