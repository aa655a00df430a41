"""The rows nearest to the centres of k-means."""

from retort.parts.coverages import Coverage


class Kmeans(Coverage):
    """The class is clustered into as many clusters as rows are wanted."""

    def cover(self, features, count, seed):
        from retort.methods.kmeans import kmeans_medoids

        return kmeans_medoids(features, count, seed)

    def reads_order(self) -> bool:
        return True  # it begins with rows that it draws by their number

    def in_words(self) -> str:
        return "nearest to k-means centres"
