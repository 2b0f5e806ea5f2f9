"""dumo-bench: does a method really remove a concept from Stable Diffusion, and what else does it break?"""

__version__ = "0.1.0"
