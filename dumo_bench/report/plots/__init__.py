"""Figures of a paper, drawn with matplotlib in one style."""
