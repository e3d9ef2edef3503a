"""The kinds of steps that are built in; each module names its own in `RECIPES`."""
