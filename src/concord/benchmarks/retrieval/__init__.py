"""Retrieval: captions, images, composed queries."""
