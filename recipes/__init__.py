"""Published systems as recipes over the public parts; one file per system."""
