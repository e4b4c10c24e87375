"""Published systems as short recipes over the public parts; installed as `isptoolkit.recipes`."""
