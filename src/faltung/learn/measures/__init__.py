"""What is measured of a trained network? One measure in each file; `outcome` takes all of them."""
