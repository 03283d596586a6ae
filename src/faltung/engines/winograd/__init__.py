"""Fewer multiplications for layers with kernels of 3 x 3: Winograd's minimal filtering."""
