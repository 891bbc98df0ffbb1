"""What every part of scoring knows of the network's map: how large its cells are, and which of them make the score."""

ARCHITECTURE = "scratch-map-2"  # what weights and bundles say that they are for
MAP_STRIDE = 4  # pixels a side of a map's cell
COARSEST = 32  # photos are padded to a multiple of this
PEAKS = 12  # cells: a hairline of 48 pixels fills so many, a speck of dust does not
COLD = -30.0  # the logit of a cell that is not to count
