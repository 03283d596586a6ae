"""What is there to learn from? Readers of data sets, and the data set as a checked value."""
