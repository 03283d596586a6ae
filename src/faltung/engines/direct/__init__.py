"""The direct engine: a sum over the taps that are not zero."""
