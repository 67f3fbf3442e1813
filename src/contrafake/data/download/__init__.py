"""Downloads the images that a data set only names by address: politely, resumably, and never from a private network."""
