"""Names to methods, scorers and suites, with their settings and versions."""
