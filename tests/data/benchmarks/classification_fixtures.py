"""The data sets of classification in their own formats, with a few tiny pictures each, where conf/test looks for them.

`FIXTURES` has one function per file of conf/test; it writes below the folder of benchmarks that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from concord.vocabularies import wordnet_ids
from tests.data.benchmarks.classification.drawn import FEW, MANY
from tests.data.benchmarks.classification.folder_layouts import brain_tumor_mri, busi, corrupted, folders, object_net, pcam_pictures
from tests.data.benchmarks.classification.own_layouts import own_hugging_face, own_list, own_table, split_zhou
from tests.data.benchmarks.classification.table_layouts import (
    RETINA,
    SKIN,
    TUMOURS,
    annotations,
    aptos,
    chexpert_5x200,
    fold,
    mhist,
    retina,
    rsna,
    skin,
)
from tests.data.benchmarks.classification.torchvision_layouts import (
    aircraft,
    caltech101,
    cars,
    cifar10,
    cifar100,
    dtd,
    fer2013,
    flowers102,
    food101,
    gtsrb,
    idx,
    pets,
    stl10,
    sun397,
    svhn,
)
from tests.data.benchmarks.classification.wds_layout import wds, wds_captions, wds_faces, wds_multilabel

Fixture = Callable[[Path], None]

FIXTURES: dict[str, Fixture] = {
    "acl_mri": partial(fold, folder="acl_mri", file="test_fold1.csv", classes=["no", "yes", "no", "yes"]),
    "aptos2019": aptos,
    "brain_tumor_mri": brain_tumor_mri,
    "breast_us": partial(fold, folder="breast_us", file="breast_test_fold1.csv", classes=["benign", "malignant", "benign", "malignant"]),
    "busi": busi,
    "caltech101": partial(wds, key="vtab-caltech101"),
    "camelyon17": partial(
        wds, key="wilds-camelyon17", names=["a normal lymph node", "a metastasis"], columns=[[2, n % 2, 0] for n in range(MANY)]
    ),
    "cars": partial(wds, key="cars"),
    "chexpert_5x200": chexpert_5x200,
    "cifar10": partial(wds, key="cifar10"),
    "cifar100": partial(wds, key="vtab-cifar100"),
    "clevr_closest_object_distance": partial(wds, key="vtab-clevr_closest_object_distance"),
    "clevr_count_all": partial(wds, key="vtab-clevr_count_all"),
    "country211": partial(wds, key="country211"),
    "csv": own_table,
    "ct_axial": partial(annotations, place="unimed/organs_axial", classes=11),
    "ct_coronal": partial(annotations, place="unimed/organs_coronal", classes=11),
    "ct_sagittal": partial(annotations, place="unimed/organs_sagittal", classes=11),
    "diabetic_retinopathy": partial(wds, key="vtab-diabetic_retinopathy"),
    "dmlab": partial(wds, key="vtab-dmlab"),
    "dollar_street": partial(wds, key="fairness-dollar_street", columns=[[n % 2, 120.5, n % 3] for n in range(MANY)]),
    "dr_regular": partial(annotations, place="unimed/dr_regular", classes=5),
    "dsprites_label_orientation": partial(wds, key="vtab-dsprites_label_orientation"),
    "dsprites_label_x_position": partial(wds, key="vtab-dsprites_label_x_position"),
    "dtd": partial(wds, key="vtab-dtd"),
    "eurosat": partial(wds, key="vtab-eurosat"),
    "fairface_age": partial(wds_faces, key="fairness-fairface"),
    "fairface_gender": partial(wds_faces, key="fairness-fairface"),
    "fairface_race": partial(wds_faces, key="fairness-fairface"),
    "fer2013": partial(wds, key="fer2013"),
    "fgvc_aircraft": partial(wds, key="fgvc_aircraft"),
    "file_list": own_list,
    "five_retina": partial(retina, file="13_FIVES.csv", images="fives_retina/train/Original", classes=RETINA),
    "flowers": partial(wds, key="vtab-flowers"),
    "fmow": partial(wds, key="wilds-fmow", columns=[[n % 2, 14, 0] for n in range(MANY)]),
    "folder": partial(folders, place="my_folder", classes=["tabby_cat", "dog"], each=2),
    "food101": partial(wds, key="food101"),
    "geode": partial(wds, key="fairness-geode", columns=[[n % 2, n] for n in range(MANY)]),
    "gtsrb": partial(wds, key="gtsrb"),
    "hugging_face": own_hugging_face,
    "imagenet1k": partial(wds, key="imagenet1k", names="imagenet1k"),
    "imagenet1k_folder": partial(folders, place="imagenet/val", classes=wordnet_ids()[: 2 * FEW], suffix=".JPEG"),
    "imagenet_a": partial(wds, key="imagenet-a"),
    "imagenet_a_folder": partial(folders, place="imagenet-a", classes=wordnet_ids("imagenet_a")[:FEW]),
    "imagenet_c": corrupted,
    "imagenet_o": partial(wds, key="imagenet-o"),
    "imagenet_o_folder": partial(folders, place="imagenet-o", classes=wordnet_ids("imagenet_o")[:FEW]),
    "imagenet_r": partial(wds, key="imagenet-r"),
    "imagenet_r_folder": partial(folders, place="imagenet-r", classes=wordnet_ids("imagenet_r")[:FEW]),
    "imagenet_sketch": partial(wds, key="imagenet_sketch"),
    "imagenet_sketch_folder": partial(folders, place="sketch", classes=wordnet_ids()[: 2 * FEW], suffix=".JPEG"),
    "imagenetv2": partial(wds, key="imagenetv2"),
    "imagenetv2_folder": partial(folders, place="imagenetv2-matched-frequency-format-val", classes=["0", "1", "2", "10"], suffix=".jpeg"),
    "imagenetv2_threshold_folder": partial(
        folders, place="imagenetv2-threshold0.7-format-val", classes=["0", "1", "2", "10"], suffix=".jpeg"
    ),
    "imagenetv2_top_folder": partial(folders, place="imagenetv2-top-images-format-val", classes=["0", "1", "2", "10"], suffix=".jpeg"),
    "iwildcam": partial(wds, key="wilds-iwildcam", columns=[[n % 3, n, 2013, 1, 2, 3, 4, 5, n * 5 % 7] for n in range(FEW)]),
    "kitti_closest_vehicle_distance": partial(wds, key="vtab-kitti_closest_vehicle_distance"),
    "meniscal_mri": partial(fold, folder="meniscal_mri", file="meniscus_test_fold1.csv", classes=["n", "p", "n", "p"]),
    "mhist": mhist,
    "mnist": partial(wds, key="mnist"),
    "objectnet": partial(wds, key="objectnet"),
    "objectnet_folder": object_net,
    "odir_retina": partial(
        retina, file="08_ODIR200x3.csv", images="08_ODIR-5K/preprocessed_images", classes=["normal", "pathologic myopia", "cataract"]
    ),
    "openness_cifar100": partial(wds, key="vtab-cifar100", names="cifar100", columns=[[0]] * 100),
    "osteosarcoma": partial(fold, folder="Osteosarcoma", file="annotations_final.csv", classes=["Non-Tumor", "Non-Viable-Tumor", "Viable"]),
    "pcam": partial(wds, key="vtab-pcam"),
    "pets": partial(wds, key="vtab-pets"),
    "refuge_retina": partial(retina, file="25_REFUGE.csv", images="REFUGE-Training400", classes=["no glaucoma", "glaucoma"]),
    "renderedsst2": partial(wds, key="renderedsst2"),
    "resisc45": partial(wds, key="vtab-resisc45"),
    "rsna_pneumonia": rsna,
    "skin_cancer": partial(skin, file="tiles-v2.csv", classes=[*SKIN, *TUMOURS]),
    "skin_tumor": partial(skin, file="SkinTumorSubset.csv", classes=TUMOURS),
    "smallnorb_label_azimuth": partial(wds, key="vtab-smallnorb_label_azimuth"),
    "smallnorb_label_elevation": partial(wds, key="vtab-smallnorb_label_elevation"),
    "split_zhou": split_zhou,
    "stl10": partial(wds, key="stl10"),
    "sun397": partial(wds, key="sun397"),
    "svhn": partial(wds, key="vtab-svhn"),
    "thyroid_us": partial(fold, folder="thyroid_us", file="thyroid_test_fold1.csv", classes=["benign", "malignant", "benign", "malignant"]),
    "torchvision_caltech101": caltech101,
    "torchvision_cifar10": cifar10,
    "torchvision_cifar100": cifar100,
    "torchvision_country211": partial(folders, place="torchvision/country211/test", classes=[f"c{n:03d}" for n in range(211)]),
    "torchvision_dtd": dtd,
    "torchvision_eurosat": partial(folders, place="torchvision/eurosat/2750", classes=[f"c{n:03d}" for n in range(10)]),
    "torchvision_fashion_mnist": partial(idx, folder="FashionMNIST"),
    "torchvision_fer2013": fer2013,
    "torchvision_fgvc_aircraft": aircraft,
    "torchvision_flowers102": flowers102,
    "torchvision_food101": food101,
    "torchvision_gtsrb": gtsrb,
    "torchvision_mnist": partial(idx, folder="MNIST"),
    "torchvision_oxford_pets": pets,
    "torchvision_rendered_sst2": partial(
        folders, place="torchvision/rendered-sst2/test", classes=["negative", "positive"], suffix=".png", each=2
    ),
    "torchvision_stanford_cars": cars,
    "torchvision_stl10": stl10,
    "torchvision_sun397": sun397,
    "torchvision_svhn": svhn,
    "unimed_pcam": pcam_pictures,
    "utkface_age": partial(wds_faces, key="fairness-utkface"),
    "utkface_gender": partial(wds_faces, key="fairness-utkface"),
    "utkface_race": partial(wds_faces, key="fairness-utkface"),
    "voc2007": partial(wds, key="voc2007"),
    "voc2007_multilabel": partial(wds_multilabel, key="voc2007_multilabel"),
    "wds": partial(wds, key="mine"),
    "wds_captions": wds_captions,
}
