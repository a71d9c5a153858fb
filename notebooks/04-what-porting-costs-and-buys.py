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
# # What para-virtual porting costs and buys
#
# Para-virtualization changes the guest: sensitive instructions become hypercalls and writes to shared memory. The kernel
# of this suite does everything sensitive through macros, so that one source gives both binaries.

# %%
import tempfile
from pathlib import Path

import pandas as pd

import trapbench
from results.plots import catalogue
from workloads.porting_ledger import ledger

# %% [markdown]
# ## The cost: source that differs

# %%
ledger_of_port = ledger()
print(f"{ledger_of_port.shared_lines:,} lines are shared")
pd.DataFrame(ledger_of_port.rows())

# %% [markdown]
# ## What it buys
#
# Page-table updates are batched, interrupts are masked by a store to shared memory, and nothing has to be discovered by a
# fault. On x86-64 both kernel and programs run at CPL 3, so that every system call passes through the hypervisor.

# %%
run = trapbench.run(
    ["native", "bt", "pv", "hvm-shadow"],
    ["kernel/fork-wait", "kernel/mmap-munmap", "kernel/null-call", "kernel/signal"],
    out=Path(tempfile.mkdtemp()) / "pv",
)
catalogue.picture(run, "overhead-kernel")

# %% [markdown]
# ## Which hypercalls
#
# Operations inside a multicall count one by one; `hypercall.entries` counts the instructions.

# %%
roi = run.counters[(run.counters["scope"] == "roi") & (run.counters["technique"] == "pv")]
calls = roi[roi["counter"].str.startswith("hypercall.")]
calls.pivot(index="counter", columns="workload", values="value").fillna(0).astype(int)

# %%
catalogue.picture(run, "cycle-stack-kernel")
