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
# # Your own workload
#
# A workload is one file of assembly: a header that says what it is, and a part that runs in the kernel, a program, or
# both. It runs from anywhere, under every technique.

# %%
import tempfile
from pathlib import Path

import trapbench
from results.plots import catalogue
from trapbench.pytest_plugin import Bench

home = Path(tempfile.mkdtemp())
source = home / "toggle.asm"
source.write_text(
    """
#: title = "Interrupt flag on and off"
#: stresses = "CLI and STI in the kernel"
#: outcome = "result 0 is the number of rounds"
#: small = { rounds = 5000 }
#: standard = { rounds = 50000 }
#: large = { rounds = 500000 }

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ROUNDS * 8]
    xor r8d, r8d
    ROI_BEGIN
.next:
    pv_irq_disable
    inc r8
    pv_irq_enable
    dec rcx
    jnz .next
    pv_irq_disable
    ROI_END
    mov [rip + result], r8
    xor eax, eax
    ret
""".lstrip()
)

# %% [markdown]
# The kernel's macros `pv_irq_disable` and `pv_irq_enable` are CLI and STI natively, and a store to shared memory in the ported
# kernel: the same source serves all techniques.

# %%
run = trapbench.run(workloads=[source], out=home / "first")
run.runs[["technique", "status", "reason"]]

# %%
names = ["insn.cli", "insn.sti", "exits", "traps", "bt.callout", "emulate"]
roi = run.counters[(run.counters["scope"] == "roi") & run.counters["counter"].isin(names)]
roi.pivot(index="counter", columns="technique", values="value").fillna(0).astype(int)

# %%
catalogue.picture(run, "overhead-external")

# %% [markdown]
# ## A sweep
#
# Any parameter of the header can be swept. Counters grow with it, and the ratio settles.

# %%
sweep = trapbench.run(
    ["hvm-ept", "bt"], [source], sweeps={"rounds": [100, 1000, 10000]}, out=home / "sweep"
)
sweep.ratios("nehalem").pivot(index="size", columns="technique", values="ratio").round(2)

# %% [markdown]
# ## A budget
#
# In a test suite of your own the fixture `trapbench` asserts exact counts. Here is what it does, without pytest.

# %%
cell = Bench().run("hvm-ept", source)
cell.assert_at_most(exits=0)
cell["exits"], cell["insn.cli"]
