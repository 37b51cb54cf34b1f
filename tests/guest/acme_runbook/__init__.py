"""A package of somebody else, with actions of its own."""
