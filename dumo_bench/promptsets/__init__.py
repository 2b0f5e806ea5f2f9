"""Prompt sets that others publish: where a file lies, whether it is the right one, and its rows as prompts."""
