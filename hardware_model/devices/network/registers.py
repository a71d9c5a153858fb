"""Registers and descriptor fields of the 8254x.

Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual, chapters 3 and 13.
"""

from __future__ import annotations

CTRL, STATUS = 0x0000, 0x0008
ICR, ITR, ICS, IMS, IMC = 0x00C0, 0x00C4, 0x00C8, 0x00D0, 0x00D8
RCTL, TCTL = 0x0100, 0x0400
RDBAL, RDT = 0x2800, 0x2818
TDBAL, TDT = 0x3800, 0x3818
MPC, GPRC, GPTC = 0x4010, 0x4074, 0x4080
RAL0, RAH0 = 0x5400, 0x5404

CTRL_RESET = 1 << 26
STATUS_FULL_DUPLEX, STATUS_LINK_UP, STATUS_1000 = 1 << 0, 1 << 1, 1 << 7
RAH_VALID = 1 << 31

# Interrupt causes
TXDW, TXQE, RXO, RXT0 = 1 << 0, 1 << 1, 1 << 6, 1 << 7
ITR_NANOSECONDS = 256

RCTL_ENABLE, TCTL_ENABLE = 1 << 1, 1 << 1
RCTL_SIZES = (2048, 1024, 512, 256)  # by BSIZE, RCTL[17:16]

DESCRIPTOR_BYTES = 16
RX_DONE, RX_END = 0x01, 0x02
TX_REPORT = 0x08  # of the command byte: RS
TX_DONE = 0x01
