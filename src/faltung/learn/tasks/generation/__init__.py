"""Learning to generate: flow matching, sampling, judges and scores."""
