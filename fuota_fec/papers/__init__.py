"""Published figures, and the same figures as this library computes them."""
