"""Artefacts of other programs, one file a family: read into named tensors, compared with a model, written."""
