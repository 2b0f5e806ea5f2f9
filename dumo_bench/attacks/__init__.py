"""Attacks: what looks for an erased concept again. One file each."""
