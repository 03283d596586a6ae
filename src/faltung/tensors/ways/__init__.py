"""The ways to compute a layer on tensors, a module each; `way` is their contract and their table."""
