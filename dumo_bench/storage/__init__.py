"""Pictures, edits and tables on disk."""
