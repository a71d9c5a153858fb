"""Intel VT-d: DMA and interrupt remapping. One mechanism per file; `unit.RemappingUnit` wires them.

References are to the Intel Virtualization Technology for Directed I/O Architecture Specification,
revision 3 and later, legacy mode.
"""
