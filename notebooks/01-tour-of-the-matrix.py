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
# # A tour of the matrix
#
# One guest, one modelled machine, six ways to run it. A *cell* is one technique that runs one workload. This notebook
# runs a few cells, looks at what was counted, and only then asks what that costs.

# %%
import tempfile
from pathlib import Path

import trapbench
from results.plots import catalogue

folder = Path(tempfile.mkdtemp()) / "tour"
workloads = ["kernel/fork-wait", "kernel/null-call", "kernel/page-fault", "compute/sieve"]
run = trapbench.run(workloads=workloads, out=folder)

# %% [markdown]
# ## What happened
#
# `runs` has a row for each cell. A cell is `ok` only if the guest could not tell the difference from `native`: its
# memory, registers, console and results are compared. `trap-and-emulate` is there to fail that test now and then.

# %%
run.runs.pivot(index="workload", columns="technique", values="status")

# %% [markdown]
# ## Counters are facts
#
# Every counter is an integer that no cost has touched, the same on every machine that runs this notebook.

# %%
names = ["exits", "traps", "hypercall.entries", "bt.callout", "mmu.spte_set"]
roi = run.counters[(run.counters["scope"] == "roi") & run.counters["counter"].isin(names)]
fork = roi[roi["workload"] == "kernel/fork-wait"]
fork.pivot(index="counter", columns="technique", values="value").fillna(0).astype(int)

# %% [markdown]
# ## Cycles are an estimate over them
#
# A preset is a table of sourced costs; the estimate is their product with the counters, done afterwards.

# %%
ratios = run.ratios("nehalem").pivot(index="workload", columns="technique", values="ratio")
ratios.round(2)

# %% [markdown]
# The lines of the next picture hold 90 % of the ratios that come out when every cost is drawn from its own range.

# %%
catalogue.picture(run, "overhead-kernel")

# %% [markdown]
# Where did they go? Each bar is divided by what it was spent on.

# %%
catalogue.picture(run, "cycle-stack-kernel")

# %% [markdown]
# ## Which instruction was it?
#
# The hot list names the guest's instructions that brought the VMM in.

# %%
hot = run.exits[
    (run.exits["workload"] == "kernel/fork-wait") & (run.exits["technique"] == "hvm-shadow")
]
hot[["reason", "symbol", "count"]].sort_values("count", ascending=False).head(8)
