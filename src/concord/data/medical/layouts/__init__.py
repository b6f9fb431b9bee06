"""The layouts of medical data sets, one by one."""

from concord.data.medical.layouts.arch import ARCH
from concord.data.medical.layouts.bach import BACH
from concord.data.medical.layouts.by_look import GroupedByLook
from concord.data.medical.layouts.chexpert import CheXpert
from concord.data.medical.layouts.chexpert_plus import CheXpertPlus
from concord.data.medical.layouts.covidx import COVIDx
from concord.data.medical.layouts.ct_rate import CTRate
from concord.data.medical.layouts.ffa_ir import FFAIR
from concord.data.medical.layouts.findings import Findings
from concord.data.medical.layouts.flair import FLAIRTables
from concord.data.medical.layouts.ham10000 import HAM10000
from concord.data.medical.layouts.lc25000 import LC25000
from concord.data.medical.layouts.med_mnist import MedMNIST
from concord.data.medical.layouts.medicat import MedICaT
from concord.data.medical.layouts.messidor import Messidor2
from concord.data.medical.layouts.mimic_cxr import MimicCXR
from concord.data.medical.layouts.nct_crc import NCTCRC
from concord.data.medical.layouts.nih import NIHChestXray14
from concord.data.medical.layouts.odir import ODIR
from concord.data.medical.layouts.one_finding import Draw, OneFinding, write_list
from concord.data.medical.layouts.openi import OpenI, OpenIKaggle
from concord.data.medical.layouts.openpath import OpenPath
from concord.data.medical.layouts.padchest import PadChest
from concord.data.medical.layouts.path_vqa import PathVQA, PathVQAParquet
from concord.data.medical.layouts.pcam import PCam
from concord.data.medical.layouts.pmc_15m import PMC15M
from concord.data.medical.layouts.pmc_oa import PMCOA
from concord.data.medical.layouts.quilt import Quilt1M
from concord.data.medical.layouts.refuge import REFUGE
from concord.data.medical.layouts.roco import ROCO
from concord.data.medical.layouts.rocov2 import ROCOv2
from concord.data.medical.layouts.rsna import RSNAPneumonia
from concord.data.medical.layouts.sicap import SICAPv2
from concord.data.medical.layouts.siim import SIIMPneumothorax
from concord.data.medical.layouts.siim_masks import SIIMMasks
from concord.data.medical.layouts.slake import SLAKE
from concord.data.medical.layouts.stratified import StratifiedSplit
from concord.data.medical.layouts.vindr import VinDrCXR, VinDrKaggle
from concord.data.medical.layouts.vqa_rad import VQARAD

__all__ = [
    "ARCH",
    "BACH",
    "FFAIR",
    "HAM10000",
    "LC25000",
    "NCTCRC",
    "ODIR",
    "PMC15M",
    "PMCOA",
    "REFUGE",
    "ROCO",
    "SLAKE",
    "VQARAD",
    "COVIDx",
    "CTRate",
    "CheXpert",
    "CheXpertPlus",
    "Draw",
    "FLAIRTables",
    "Findings",
    "GroupedByLook",
    "MedICaT",
    "MedMNIST",
    "Messidor2",
    "MimicCXR",
    "NIHChestXray14",
    "OneFinding",
    "OpenI",
    "OpenIKaggle",
    "OpenPath",
    "PCam",
    "PadChest",
    "PathVQA",
    "PathVQAParquet",
    "Quilt1M",
    "ROCOv2",
    "RSNAPneumonia",
    "SICAPv2",
    "SIIMMasks",
    "SIIMPneumothorax",
    "StratifiedSplit",
    "VinDrCXR",
    "VinDrKaggle",
    "write_list",
]
