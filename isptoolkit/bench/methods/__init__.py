"""What takes part in a benchmark."""
