"""Filters that change the rate: passes in which each output has its own samples, and the taps of its phase."""
