"""A real host's figures beside the model's: reports of `perf kvm stat`, and KVM's statistics as CSV."""
