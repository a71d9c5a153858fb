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
# # How binary translation rewrites a kernel
#
# A deprivileged kernel cannot run as it is: some sensitive instructions trap, others silently do the wrong thing.
# Binary translation runs a rewritten copy from a cache, made from the guest's own bytes while it runs.

# %%
import pandas as pd

import techniques
import workloads

passages = []
workload = workloads.find("kernel/null-call")
outcome = techniques.run_guest(
    "bt", workload, "small", then=lambda guest: passages.extend(guest.listing())
)
outcome.status

# %% [markdown]
# ## Before and after
#
# Left the guest's instructions, right what runs in their place.


# %%
def show(instruction: str, most: int = 12) -> None:
    """Print the first passage that holds an instruction, beside what the cache has in its place."""
    passage = next(
        p
        for p in passages
        for before, _ in p.rows
        if any(i.text.startswith(instruction) for i in before)
    )
    print(passage.title)
    for before, after in passage.rows[:most]:
        for i in range(max(len(before), len(after))):
            left = before[i].text if i < len(before) else ""
            right = after[i].text if i < len(after) else ""
            print(f"  {left:<44} | {right}")


show("mov cr3")

# %% [markdown]
# Most instructions are copied. A load of CR3 is a callout, for it changes the address space. CLI and STI are not: the
# virtual interrupt flag lies in a page that the cache's code reaches, so that a few instructions do.

# %%
show("cli")

# %% [markdown]
# ## How much was translated
#
# Units hold up to twelve instructions and end at control flow. Direct branches are chained, so that the VMM is not
# called again; what is left are callouts.

# %%
counted = {n: v for n, v in outcome.counters_total.items() if n.startswith("bt.")}
pd.Series(counted, name="events").to_frame()

# %% [markdown]
# ## Translation adapts
#
# An instruction that keeps faulting, a page-table write say, becomes a callout, which is cheaper than a fault.

# %%
rows = {}
for adaptive in (True, False):
    cell = techniques.run_guest(
        "bt", workloads.find("memory/page-table-churn"), "small", knobs={"bt.adaptive": adaptive}
    )
    rows[f"adaptive={adaptive}"] = {
        name: cell.counters_roi.get(name, 0)
        for name in ("traps", "trap.pf", "bt.callout", "bt.callout.traced", "bt.adapted")
    }
pd.DataFrame(rows)
