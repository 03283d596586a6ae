"""Machine code for banks over channels, and for the gradient with respect to their taps."""
