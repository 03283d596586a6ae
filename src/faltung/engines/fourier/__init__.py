"""The Fourier engine: tiles that overlap, transformed, multiplied by a spectrum, transformed back."""
