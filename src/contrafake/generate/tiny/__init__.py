"""A small diffusion model of our own, from photographs to a pipeline on disk."""
