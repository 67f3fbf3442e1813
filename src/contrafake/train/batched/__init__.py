"""The views of a whole batch, cut and transformed by torch on the device that trains."""
