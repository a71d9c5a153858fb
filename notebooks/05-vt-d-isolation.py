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
# # VT-d isolation: attacks, protection, and what it costs
#
# A device that is assigned to a guest reads and writes memory without asking the processor, so that neither rings nor page
# tables stop it. The remapping unit of VT-d does, by tables of the VMM's. Here a guest misuses its device; the same attack
# is run with the protection that stops it and without.

# %%
import tempfile
from pathlib import Path

import pandas as pd

import trapbench
from hardware_model import counters
from hardware_model.devices.dma import DmaBlocked
from hardware_model.executor import words
from hardware_model.machine import Machine
from results.plots import catalogue
from techniques.assignment import DEFERRED, STRICT, Assignment
from techniques.frames import FrameAllocator

folder = Path(tempfile.mkdtemp())
run = trapbench.run(
    ["bt", "pv", "hvm-ept"],
    ["isolation"],
    sweeps={"protection": ["on", "off"]},
    out=folder / "attacks",
)
run.runs.query("technique != 'native'").groupby(["knobs", "status"]).size().unstack()

# %% [markdown]
# A protected cell is `ok` only if nothing of the victim was read or changed, the victim ended as it does alone, and the fault on
# record names the right device, reason and address. An unprotected one is `ok` only if the attack succeeded. Rows
# without a note are protected.

# %%
catalogue.picture(run, "isolation")

# %% [markdown]
# ## What the unit recorded
#
# Each blocked request leaves a record: who asked, for what, and why it was refused.

# %%
ept = run.runs.query("technique == 'hvm-ept'").set_index("workload")
protected = ept[ept["knobs"] == "{}"]
pd.set_option("display.max_colwidth", None)
protected[["notes"]]

# %% [markdown]
# ## A neighbour that behaves
#
# Isolation also means that a neighbour is not noticed. The same guest runs alone, and beside two others on one machine: its
# outcome is the same to the bit (otherwise its status would be `diverged`). What the machine as a whole did is in the scope
# `machine`, and each neighbour has a scope of its own.

# %%
alone = trapbench.run(["hvm-ept"], ["kernel/pipe"], out=folder / "alone")
beside = trapbench.run(
    ["hvm-ept"],
    ["kernel/pipe"],
    knobs={"beside": "bt:exit/hlt-timer,pv:kernel/fork-wait"},
    out=folder / "beside",
)
rows = pd.concat([alone.runs, beside.runs]).query("technique == 'hvm-ept'")
rows[["knobs", "status", "digest", "instructions"]]

# %%
shown = ["instructions", "exits", "traps", "hypercall.entries", "world.switch"]
scopes = beside.counters.query("technique == 'hvm-ept' and counter in @shown")
scopes.pivot(index="counter", columns="scope", values="value").fillna(0).astype(int)

# %% [markdown]
# ## When is an unmapped page out of reach?
#
# A cleared entry does not stop a device whose translation is in the IOTLB. A *strict* driver waits for an invalidation at each
# unmapping; a *deferred* one lets many share one. `io/dma-mapping` sends frames through the unit by either policy, and with
# buffers that stay mapped (`static`).

# %%
mapping = trapbench.run(
    ["native"],
    ["io/dma-mapping", "io/dma-mapping@deferred", "io/dma-mapping@static"],
    out=folder / "mapping",
)
counted = mapping.counters.query(
    "scope == 'roi' and counter.str.startswith('vtd.')", engine="python"
)
counted.pivot(index="counter", columns="workload", values="value").fillna(0).astype(int)

# %%
cycles = mapping.cycles("nehalem")
by_component = cycles.pivot_table(
    index="component", columns="workload", values="cycles", observed=True
)
by_component[by_component.sum(axis=1) > 0].round(0).astype(int)

# %% [markdown]
# ## The window of exposure
#
# What deferring buys is paid for in time during which the device still reaches pages that are no more its own. The VMM's
# driver of the unit counts it in pages × units of virtual time. Here it takes away 300 pages, one every 1,000 to
# 100,000 units, while the device goes on reading the page that was taken last.

# %%
CARD, BUFFER, MEMORY = 0x0018, 0x5000, 8 << 20


def exposure(policy: str, pause: int, pages: int = 300) -> dict[str, object]:
    """Take `pages` pages away from a device, `pause` units of virtual time apart."""
    machine = Machine(16 << 20)
    driver = Assignment(machine, FrameAllocator(1 << 20, 4 << 20), policy)
    driver.enable()
    domain = driver.new_domain()
    driver.attach(CARD, domain)
    reached = 0
    for _ in range(pages):
        domain.map(BUFFER, MEMORY, 4096)
        machine.remapping.read(CARD, BUFFER, 64)  # the translation is cached now
        domain.unmap(BUFFER, 4096)
        try:
            machine.remapping.read(CARD, BUFFER, 64)
            reached += 1
        except DmaBlocked:
            pass
        machine.words[words.CLOCK] += pause
        machine.platform.advance()
    driver.unmapping.flush()
    count = {
        n: int(machine.counters[counters.index(n)]) for n in ("vtd.queue.wait", "iommu.exposure")
    }
    return {
        "policy": policy,
        "pause": pause,
        "read after unmapping": reached,
        "invalidations waited for": count["vtd.queue.wait"],
        "exposure per page": count["iommu.exposure"] / pages,
    }


pd.DataFrame(
    [exposure(policy, pause) for policy in (STRICT, DEFERRED) for pause in (1_000, 10_000, 100_000)]
)

# %% [markdown]
# Strict, the device never reads a page that was taken away. Deferred, it does until the batch is full, which takes the longer
# the more slowly pages go, but 10 ms (10,000,000 units) at most; one invalidation in sixty is left to wait for. An attack
# through that window is `isolation/dma@stale`, whose protection is strict unmapping.
