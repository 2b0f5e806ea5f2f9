"""Scorers: they see finished pictures, make none, choose no prompts and average nothing."""
