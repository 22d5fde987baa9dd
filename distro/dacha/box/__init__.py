"""The second home: boxes, which last, and what makes you yourself in them."""
