"""DuMo, the unedited model and imported checkpoints. The other erasers lie in `baselines`."""
