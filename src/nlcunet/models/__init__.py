"""Networks, their weights, and the list of names that can be loaded."""
