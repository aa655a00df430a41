"""Colours and marks of the figures: Okabe and Ito's palette, told apart with any colour vision."""

# Black is kept for what stands out: the full set, representatives.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = "osD^vP"
