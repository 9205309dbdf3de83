"""Poller: when a job fires, one run of it, and the loop over all jobs."""
