"""Using a trained model: verdicts on images."""
