"""Models: what a name means, a loaded model taken apart, and the sampling loop."""
