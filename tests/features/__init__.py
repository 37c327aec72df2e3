"""Tests of the features: an image becomes a vector."""
