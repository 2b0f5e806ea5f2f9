"""Control methods with known outcomes, and what scorers and tables must say of them."""
