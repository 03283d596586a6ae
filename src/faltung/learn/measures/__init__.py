"""What came of training a network? One measurement a file; `outcome` takes them all."""
