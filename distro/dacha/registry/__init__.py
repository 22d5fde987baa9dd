"""Where images come from: references, and the transports that they name."""
