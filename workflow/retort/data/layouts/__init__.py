"""How data sets lie on disk: for each layout which classes it has, in what order, and which image is in which split.

Classes are asked for before anything is planned, so nothing here loads an image library at the top.
"""
