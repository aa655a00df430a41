"""Greedy k-centre (Gonzalez 1985), as coresets use it (Sener and Savarese, ICLR 2018)."""

from retort.parts.coverages import Coverage


class KCentre(Coverage):
    """This takes the row nearest to the mean, then always the row that is farthest from all that are chosen.

    The farthest distance of any row to its nearest chosen one is at most twice the least possible. Fewer rows are the
    beginning of more; of rows at one distance the first is taken, so no seed is needed.
    """

    seeded = False

    def cover(self, features, count, seed):
        import numpy as np

        from retort.methods.k_centre import k_centre
        from retort.methods.rows import centred, check, squared_distances

        check(features, count)
        rows = centred(features)
        if not count:
            return np.empty(0, dtype=np.int64)
        return k_centre(rows, int(squared_distances(rows, np.zeros(rows.shape[1])).argmin()), count)  # its mean is 0

    def in_words(self) -> str:
        return "greedy k-centre"
