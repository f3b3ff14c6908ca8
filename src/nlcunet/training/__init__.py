"""From a recipe to weights: configuration, schedule, state, loop."""
