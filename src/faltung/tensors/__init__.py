"""Tensors: the operator inside torch, with gradients, on every device."""
