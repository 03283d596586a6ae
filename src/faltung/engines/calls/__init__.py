"""Machine code that calls machine code: gather and filter in one call, or all tiles of a small image."""
