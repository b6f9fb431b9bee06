"""Compositional tests, and what can be had in them without the images."""
