"""Readers of the data sets that models are tested on, each in the layout in which it is published."""
