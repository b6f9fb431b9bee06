"""Readers: one class per layout in which image-text pairs come."""
