"""Machine code for samples that may be missing: sums of weights beside sums of samples."""
