"""Blocks that erasers share: latents to train on, training loops, adapters, closed-form solutions."""
