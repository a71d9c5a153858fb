"""The *linux* family: programs that the unmodified Linux kernel starts as /init, and anybody's kernel and ramdisk."""
