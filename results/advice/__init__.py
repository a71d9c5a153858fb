"""Which technique suits a workload that is known by its rates: what `trapbench advise` answers."""
