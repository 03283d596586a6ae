"""Learning to generate: flow matching, samples, and how they are scored."""
