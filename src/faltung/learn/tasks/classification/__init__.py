"""Learning to classify: the loss, and the networks, recipe and augmentation that suit a data set."""
