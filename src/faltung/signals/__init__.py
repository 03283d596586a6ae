"""What people compute with the operator: local statistics, pyramids, resampling, matching, restoration."""
