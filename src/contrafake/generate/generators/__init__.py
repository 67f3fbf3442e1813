"""What makes images: pipelines, autoencoders, programs and services under one interface."""
