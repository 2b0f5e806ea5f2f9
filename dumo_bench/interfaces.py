"""Everything that can be extended."""
