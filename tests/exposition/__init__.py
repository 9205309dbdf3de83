"""Tests of the exposition."""
