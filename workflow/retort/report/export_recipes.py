"""What the card of an export tells people to type: it names no file but those beside it."""

DATASETS = """From this folder:

```python
import os

from datasets import load_dataset

dataset = load_dataset(os.getcwd(), split="train")  # of the hub: the name of its repository
names = dataset.features["label"].names  # the id of each class, in the order of the labels
```"""
PARQUET = """Without `datasets`, by pyarrow alone:

```python
import io
import json

import pyarrow.parquet as pq
from PIL import Image

table = pq.read_table("train.parquet")
images = [Image.open(io.BytesIO(row["bytes"])).convert("RGB") for row in table["image"].to_pylist()]
labels = table["label"].to_pylist()
about = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
classes = about["label"]["names"]
```"""
LOGITS = """```python
import torch
from torch.nn import functional as F

temperature = {temperature}
logits = torch.tensor(dataset.with_format("numpy")["logits"][:]).float()  # (images, classes)
targets = F.softmax(logits / temperature, dim=1)


def loss_of(student, targets):  # KL(teacher || student), without the square of the temperature
    return F.kl_div(F.log_softmax(student / temperature, dim=1), targets, reduction="batchmean")
```"""
TIMM = """### timm

```python
import os

from timm.data import create_dataset

dataset = create_dataset(f"hfds/{os.getcwd()}", split="train")  # of the hub: hfds/OWNER/NAME
```

timm's `train.py` looks for training and validation images in one place, and this one has no validation images. So write
the images out beside a link to your validation images, here the folder `validation` with folders named by class id:

```python
import json
from pathlib import Path
from tempfile import mkdtemp

import pyarrow.parquet as pq

both, table = Path(mkdtemp()), pq.read_table("train.parquet")
for row in table["image"].to_pylist():
    file = both / "train" / row["path"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(row["bytes"])
(both / "val").symlink_to(Path("validation").resolve())
classes = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
(both / "map.txt").write_text("".join(f"{name}\\n" for name in classes))
print(f"--data-dir {both} --class-map {both}/map.txt")
```

and give what that prints, the map by its absolute path:

```sh
python train.py --data-dir ... --class-map ... --train-split train --val-split val --num-classes {count}
```"""
