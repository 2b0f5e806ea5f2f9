"""The beginning of a suite's file, for tests that write what follows it."""

HEAD = """name = "s"
version = 1
source = "here"
licence = "MIT"

[sampling]
model = "emoji-sd"
scheduler = "ddim"
steps = 2
guidance = 3
height = 64
width = 64

[[cases]]
erase = ["cat"]
"""
