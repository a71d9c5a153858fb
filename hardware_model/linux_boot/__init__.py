"""Booting Linux: kernel files (bzImage and ELF), and the 64-bit boot protocol."""
