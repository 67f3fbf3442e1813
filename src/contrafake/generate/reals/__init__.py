"""Real images with captions: where they lie, what is known of them, which of them are used."""
