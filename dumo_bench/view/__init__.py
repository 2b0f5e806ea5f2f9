"""A page over a results folder, served to this machine alone. Never imports torch."""
