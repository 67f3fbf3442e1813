"""Training: views, the contrastive loss, the loop, and fitting heads and calibration on what it learned."""
