"""Suites: prompts, the erasures to try on them and how to sample; files, published lists and plugins, checked here."""
