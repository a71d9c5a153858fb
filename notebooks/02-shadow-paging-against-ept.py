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
# # Shadow paging against EPT
#
# Without EPT the VMM keeps *shadow* page tables in step with the guest's. With EPT the processor walks two dimensions of
# tables itself. The first pays for every change of a page table, the second for every TLB miss.

# %%
import tempfile
from pathlib import Path

import trapbench
from results.plots import catalogue

chase = [f"memory/pointer-chase{size}" for size in ("@64k", "@256k", "", "@4m", "@16m")]
churn = ["kernel/fork-wait", "kernel/page-fault", "kernel/cow-fault", "memory/page-table-churn"]
run = trapbench.run(
    ["native", "pv", "hvm-shadow", "hvm-ept"],
    [*chase, *churn],
    out=Path(tempfile.mkdtemp()) / "mmu",
)

# %% [markdown]
# ## Busy page tables: EPT wins
#
# `exits` counts how often the VMM was entered.

# %%
roi = run.counters[run.counters["scope"] == "roi"]
exits = roi[(roi["counter"] == "exits") & roi["workload"].isin(churn)]
exits.pivot(index="workload", columns="technique", values="value")

# %% [markdown]
# The guest's writes to page tables are counted where they are requests: in the ported guest. Every one of them costs
# shadow paging an update, or several.

# %%
catalogue.picture(run, "shadow-updates")

# %% [markdown]
# ## Quiet page tables, many TLB misses: EPT loses
#
# A pointer chase touches one page after another. Once its footprint is beyond the TLB's reach, each load walks; the
# paging-structure caches leave one reference of a one-dimensional walk, and five of a two-dimensional one.

# %%
catalogue.picture(run, "walk-references")

# %%
run.ratios("nehalem").pivot(index="workload", columns="technique", values="ratio").round(2)

# %% [markdown]
# ## The policy matters
#
# `trace` write-protects the guest's tables and follows each write, `virtual-tlb` throws the shadow away at every change of
# CR3, `unsync` lets leaf tables go out of step until the guest flushes.

# %%
policies = trapbench.run(
    ["hvm-shadow"],
    churn,
    sweeps={"shadow.policy": ["trace", "virtual-tlb", "unsync"]},
    out=Path(tempfile.mkdtemp()) / "policies",
)
found = policies.ratios("nehalem").query("technique == 'hvm-shadow'")
found.pivot(index="workload", columns="knobs", values="ratio").round(2)
