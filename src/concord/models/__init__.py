"""Towers, poolers, decoders, similarities, and the dual encoder that joins them."""
