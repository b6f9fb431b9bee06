"""Zero-shot classification: one class, several labels, a vocabulary that grows."""
