"""Other simulators of x86 that may be installed on the host, running the benchmarks' own guest images."""
