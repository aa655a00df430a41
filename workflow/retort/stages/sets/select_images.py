"""Choose real images: a table of which, nothing copied yet."""

import pandas as pd
from tqdm import tqdm

from retort.base.errors import RetortError
from retort.base.files import whole_file
from retort.base.words import ALL, counted
from retort.data.manifest import read_classes, read_split
from retort.parts.selections import OfNames


def select_images(
    manifest: str, class_table: str, selection: str, *, select: OfNames, ipc: str, dataset: str, seed: int
) -> None:
    """CSV of class_index, index, row (in the train split), image_id; `ipc` rows per class, or every image.

    Raises RetortError naming the classes that have fewer than `ipc` images.
    """
    images = read_split(manifest, "train", columns=["class_id", "row", "image_id"])
    by_class, chosen = dict(list(images.groupby("class_id"))), []
    for entry in tqdm(read_classes(class_table), desc="choosing", unit="class"):
        members = by_class[entry.id]
        wanted = len(members) if ipc == ALL else int(ipc)
        if len(members) < wanted:
            raise RetortError(
                f"class {entry.id} has {counted(len(members), 'training image')}, fewer than ipc {ipc}; "
                "lower ipc in runs"
            )
        members = members.iloc[select.order(members["image_id"].tolist(), seed, dataset)[:wanted]]
        picked = zip(members["row"], members["image_id"], strict=True)
        chosen += [(entry.index, index, row, image_id) for index, (row, image_id) in enumerate(picked)]
    with whole_file(selection) as scratch:
        pd.DataFrame(chosen, columns=["class_index", "index", "row", "image_id"]).to_csv(scratch, index=False)
