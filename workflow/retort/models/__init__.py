"""The diffusion interface and its adapters, classifiers, and how small ones are trained here."""
