"""Registers of an ATA drive behind a bus-mastering PCI IDE controller.

Command block and control block: ATA/ATAPI-5 (T13/1321D) section 7; bus master: Programming Interface for Bus
Master IDE Controller, revision 1.0 (Intel 1994), section 2.
"""

from __future__ import annotations

# Base address registers of the native-mode primary channel, and of the bus master
COMMAND_BLOCK, CONTROL_BLOCK, BUS_MASTER = 0, 1, 4

# Command block
DATA, ERROR, SECTOR_COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, STATUS = range(8)
FEATURES, COMMAND = ERROR, STATUS
ALTERNATE_STATUS = 2  # within the control block; written, it is device control
DEVICE_CONTROL_NO_INTERRUPT, DEVICE_CONTROL_RESET = 0x02, 0x04

STATUS_ERROR, STATUS_DATA, STATUS_SEEK_DONE, STATUS_READY, STATUS_BUSY = (
    0x01,
    0x08,
    0x10,
    0x40,
    0x80,
)
ERROR_ABORTED, ERROR_NOT_FOUND = 0x04, 0x10
DEVICE_LBA, DEVICE_1 = 0x40, 0x10

READ_DMA, WRITE_DMA, FLUSH_CACHE, IDENTIFY = 0xC8, 0xCA, 0xE7, 0xEC
STANDBY_IMMEDIATE, IDLE_IMMEDIATE, SET_FEATURES = 0xE0, 0xE1, 0xEF
# Subcommands of SET FEATURES, in the features register: table 38 there.
ENABLE_WRITE_CACHE, SET_TRANSFER_MODE, DISABLE_WRITE_CACHE = 0x02, 0x03, 0x82
DISABLE_LOOK_AHEAD, ENABLE_LOOK_AHEAD = 0x55, 0xAA

# Configuration space of the PIIX4's IDE function (Intel 290562, section 4.1)
IDE_TIMING, DECODE_ENABLE = 0x40, 0x8000
SLAVE_TIMING, ULTRA_DMA = 0x44, 0x48

# Bus master, primary channel
BM_COMMAND, BM_STATUS, BM_TABLE = 0, 2, 4
BM_START, BM_TO_MEMORY = 0x01, 0x08
BM_ACTIVE, BM_ERROR, BM_INTERRUPT = 0x01, 0x02, 0x04

PRD_BYTES = 8
PRD_END = 0x8000
