"""From the files of medical images to pictures."""

from concord.data.medical.images.decoder import MedicalDecoder, Step
from concord.data.medical.images.dicom import Dicom
from concord.data.medical.images.fundus import FundusCrop
from concord.data.medical.images.header import Header, header
from concord.data.medical.images.nifti import Nifti
from concord.data.medical.images.ultrasound import UltrasoundCrop

__all__ = ["Dicom", "FundusCrop", "Header", "MedicalDecoder", "Nifti", "Step", "UltrasoundCrop", "header"]
