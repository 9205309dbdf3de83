"""Tests of what stands between a decoded body and the mapping."""
