"""The audit: what separates the classes without looking at the picture?"""
