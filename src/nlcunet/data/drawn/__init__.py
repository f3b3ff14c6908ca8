"""Pictures drawn from a seed, of what photographs show too seldom: hairlines, text, manga, façades, screens."""
