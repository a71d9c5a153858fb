"""The claims of virtualization's literature, tested on a result folder: `trapbench claims`."""
