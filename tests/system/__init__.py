"""Tests of whole processes: the command a person types, a real API beside it, a real Prometheus above it."""
