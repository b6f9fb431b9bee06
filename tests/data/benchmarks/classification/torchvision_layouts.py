"""Data sets where and how torchvision keeps them, below a folder torchvision."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from concord.vocabularies import class_names
from tests.data.benchmarks.classification.drawn import FEW, pixels, write_csv, write_picture, write_text
from tests.data.benchmarks.classification.folder_layouts import folders


def caltech101(root: Path) -> None:
    folders(root, "torchvision/caltech101/101_ObjectCategories", ["BACKGROUND_Google", *(f"c{number:03d}" for number in range(101))])


def cifar10(root: Path) -> None:
    write_cifar(root / "torchvision/cifar-10-batches-bin", ["test_batch.bin"], [[3], [9], [0]])


def cifar100(root: Path) -> None:
    write_cifar(root / "torchvision/cifar-100-binary", ["test.bin"], [[1, 99], [0, 42], [7, 0]])


def write_cifar(folder: Path, files: Sequence[str], targets: Sequence[Sequence[int]]) -> None:
    """Class bytes and a picture by channels per example."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        rows = [bytes(classes) + pixels(f"{file}/{n}", 32).transpose(2, 0, 1).tobytes() for n, classes in enumerate(targets)]
        (folder / file).write_bytes(b"".join(rows))


def cars(root: Path) -> None:
    folder = root / "torchvision/stanford_cars"
    names = np.array(list(class_names("cars")), dtype=object)
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": names})
    kind = [("bbox_x1", "f8"), ("bbox_y1", "f8"), ("bbox_x2", "f8"), ("bbox_y2", "f8"), ("class", "f8"), ("fname", "O")]
    rows = np.array([(1, 1, 5, 5, 181, "00001.jpg"), (1, 1, 5, 5, 1, "00002.jpg"), (1, 1, 5, 5, 196, "00003.jpg")], dtype=kind)
    savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": rows})
    for name in rows["fname"]:
        write_picture(folder / "cars_test" / name)


def dtd(root: Path) -> None:
    names = [f"{name}/{name}_0002.jpg" for name in class_names("dtd")]
    write_text(root / "torchvision/dtd/dtd/labels/test1.txt", names)
    for name in names:
        write_picture(root / "torchvision/dtd/dtd/images" / name)


def fer2013(root: Path) -> None:
    rows = [(4, "Training", "a"), (6, "PublicTest", "b"), (3, "PrivateTest", "c"), (4, "PrivateTest", "d")]
    cells = [(emotion, " ".join(map(str, pixels(name, 48)[..., 0].reshape(-1))), usage) for emotion, usage, name in rows]
    write_csv(root / "torchvision/fer2013/fer2013.csv", ["emotion", "pixels", "Usage"], cells)


def aircraft(root: Path) -> None:
    data = root / "torchvision/fgvc-aircraft-2013b/data"
    variants = list(class_names("fgvc_aircraft"))
    write_text(data / "variants.txt", variants)
    chosen = [("1514522", variants[0]), ("0747566", next(name for name in variants if " " in name)), ("1008575", variants[-1])]
    write_text(data / "images_variant_test.txt", [f"{image} {variant}" for image, variant in chosen])
    for image, _ in chosen:
        write_picture(data / f"images/{image}.jpg")


def flowers102(root: Path) -> None:
    folder = root / "torchvision/flowers-102"
    folder.mkdir(parents=True)
    savemat(folder / "imagelabels.mat", {"labels": np.array([[77, 1, 102, 5]], dtype=np.uint8)})
    savemat(folder / "setid.mat", {"trnid": np.array([[4]]), "valid": np.array([[3]]), "tstid": np.array([[1, 2, 3]])})
    for number in range(1, 5):
        write_picture(folder / f"jpg/image_{number:05d}.jpg")


def food101(root: Path) -> None:
    folder = root / "torchvision/food-101"
    names = [name.replace(" ", "_") for name in class_names("food101")]
    images = {name: [f"{name}/{1000 + number}"] for number, name in enumerate(names)}
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/test.json").write_text(json.dumps(images))
    for name in images:
        write_picture(folder / f"images/{images[name][0]}.jpg")


def gtsrb(root: Path) -> None:
    folder = root / "torchvision/gtsrb"
    rows = [
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId",
        *(f"0000{n}.ppm;10;10;1;1;9;9;{label}" for n, label in enumerate((16, 1, 42))),
    ]
    write_text(folder / "GT-final_test.csv", rows)
    for number in range(3):
        write_picture(folder / f"GTSRB/Final_Test/Images/0000{number}.ppm")


def idx(root: Path, folder: str) -> None:
    raw = root / "torchvision" / folder / "raw"
    raw.mkdir(parents=True)
    images = np.stack([pixels(f"{folder}/{number}", 28)[..., 0] for number in range(FEW)])
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(as_idx(images), mtime=0))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(as_idx(np.arange(FEW, dtype=np.uint8)[::-1]))


def as_idx(values: np.ndarray) -> bytes:
    """LeCun's format, for bytes."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def pets(root: Path) -> None:
    folder = root / "torchvision/oxford-iiit-pet"
    write_text(folder / "annotations/test.txt", ["Abyssinian_201 1 1 1", "yorkshire_terrier_2 37 2 25", "american_bulldog_9 2 2 1"])
    for name in ("Abyssinian_201", "yorkshire_terrier_2", "american_bulldog_9"):
        write_picture(folder / f"images/{name}.jpg")


def stl10(root: Path) -> None:
    folder = root / "torchvision/stl10_binary"
    folder.mkdir(parents=True)
    (folder / "test_X.bin").write_bytes(b"".join(pixels(f"stl10/{number}", 96).transpose(2, 1, 0).tobytes() for number in range(3)))
    (folder / "test_y.bin").write_bytes(bytes([1, 10, 4]))


def sun397(root: Path) -> None:
    folder = root / "torchvision/SUN397"
    names = [f"/{name[0]}/{name.replace(' ', '_')}" for name in class_names("sun397")]
    names[1] = "/a/airplane_cabin/inside"
    write_text(folder / "ClassName.txt", names)
    for name in names[:3]:
        write_picture(folder / f"{name[1:]}/sun_aaa.jpg")
    write_picture(folder / "a/abbey/thumbnail.jpg")  # not one of its pictures


def svhn(root: Path) -> None:
    (root / "torchvision").mkdir(parents=True, exist_ok=True)
    images = np.stack([pixels(f"svhn/{number}", 32) for number in range(3)], axis=-1)
    savemat(root / "torchvision/test_32x32.mat", {"X": images, "y": np.array([[10], [1], [9]], dtype=np.uint8)})
