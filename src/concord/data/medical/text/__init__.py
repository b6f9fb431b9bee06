"""Reports, captions of figures and labels, as captions to learn from."""
