"""Machine code for samples that may be missing: sums of samples and of their weights."""
