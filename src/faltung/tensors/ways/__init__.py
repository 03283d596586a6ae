"""The ways to compute a layer on tensors: one module each, with the same functions."""
